"""Costs of steps, from a measurement of this moment or from the JSON of a former one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sirius_cli.core.profile import DraftSpec
from sirius_cli.core.windows import StepCosts
from sirius_cli.errors import ModelError
from sirius_cli.services.bench.speed_passes import draft_name
from sirius_cli.services.bench.speed_plan import DENSE_STEP
from sirius_cli.services.bench.speed_results import SpeedResult

_HOW = "write one with: sirius bench speed --json"
_Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class MeasuredPass:
    """The median time of a pass."""

    name: str
    depth: int
    tokens: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class MeasuredPasses:
    """What was measured, of which model, and what to call the place that it comes from."""

    source: str
    model: str
    device: str
    passes: tuple[MeasuredPass, ...]


def passes_of(result: SpeedResult, model: str, device: str) -> MeasuredPasses:
    """The passes of a measurement."""
    found = [MeasuredPass(row.name, row.depth, row.tokens, row.milliseconds.median) for row in result.rows]
    return MeasuredPasses("the measurement", model, device, tuple(found))


def read_passes(path: Path) -> MeasuredPasses:
    """The passes in the JSON of ``sirius bench speed``.

    Raises:
        ModelError: if the file cannot be read or is something else.
    """
    try:
        document = _Document.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"cannot read the costs in {path}: {error.strerror}", _HOW) from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the top"
        raise ModelError(f"{path} holds no costs: {fault['msg'].lower()} at {place}", _HOW) from error
    except ValueError as error:
        raise ModelError(f"{path} holds no costs: it is not JSON", _HOW) from error
    passes = [MeasuredPass(row.name, row.depth, row.tokens, row.milliseconds.median) for row in document.rows]
    return MeasuredPasses(str(path), document.model, document.device, tuple(passes))


def step_costs(found: MeasuredPasses, draft: DraftSpec, depth: int | None) -> tuple[StepCosts, int]:
    """Costs at ``depth`` (None: the first that was measured), and that depth.

    Raises:
        ModelError: if a pass that is needed is missing.
    """
    depths = [one.depth for one in found.passes if one.name == DENSE_STEP]
    if not depths:
        raise ModelError(f"{found.source} has no {DENSE_STEP}", _HOW)
    chosen = depths[0] if depth is None else depth
    if chosen not in depths:
        there = ", ".join(map(str, depths))
        raise ModelError(f"{found.source} has no passes at depth {chosen}", f"there are those at {there}")
    times = {(one.name, one.tokens): one.milliseconds for one in found.passes if one.depth == chosen}
    return _costs(found.source, times, draft), chosen


def _costs(source: str, times: Mapping[tuple[str, int], float], draft: DraftSpec) -> StepCosts:
    step, dense = times.get((draft_name(draft), 1)), times[DENSE_STEP, 1]
    if step is None:
        raise ModelError(f"{source} has no {draft_name(draft)}", _how_to_measure(draft))
    checks = {tokens: time for (name, tokens), time in times.items() if name == "check"}
    return StepCosts(dense, step, {**checks, 1: dense})  # a window of one is dense decoding, whatever noise says


def _how_to_measure(draft: DraftSpec) -> str:
    if draft.keeps:
        return "leave out --costs: steps with a keep for each layer are measured with the trace's profile alone"
    flags = [] if draft.method == "dense" else [f"--keep {draft.keep:g}"]
    if draft.precision != "native":
        flags += [f"--draft-precision {draft.precision}", f"--draft-group {draft.group}"]
    return f"measure with {' '.join(flags)}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Time(_Part):
    median: _Milliseconds


class _Row(_Part):
    name: str
    depth: int
    tokens: int
    milliseconds: _Time


class _Document(_Part):
    model: str
    device: str
    rows: Sequence[_Row]
