"""Finding a keep for each layer: what each is worth on a text, shared out at equal bytes, and written as a profile."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import yaml

from sirius_cli.core.keeps import allocate, spell_keeps
from sirius_cli.core.profile import SCHEMA_VERSION
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services.progress import Progress, ProgressEvent
from sirius_cli.services.sample_text import sample_of
from sirius_cli.services.saving import is_place, write_text

if TYPE_CHECKING:
    from sirius_cli.engine.drafts.sensitivity import Sensitivity
    from sirius_cli.engine.engine import Engine

_TEXTS: Final = 8  # parts of the text, each of which neurons are chosen for
_BEHIND: Final = 24  # tokens of each part that sensitivities are measured on
_LONGEST: Final = 256  # tokens of a part
_SHORTEST: Final = 48
_FLOOR: Final = 0.6  # of the mean keep: what a layer has at least. Below that, losses of layers do not add up
_STEPS: Final = 14  # from there to all neurons: 0.05 each for a mean of 0.5
_KEEPS: Final = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class CalibrationText:
    """A text and how messages and profiles call it; None is the built-in sample, which depends on a model's tokens."""

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class CalibratedLayer:
    """``share`` is this layer's part of what the mean keep costs, in nats a token; ``keep`` is what it got.

    ``alone`` and ``among`` are as for :class:`sirius_cli.engine.drafts.sensitivity.Sensitivity`.
    """

    share: float
    alone: float
    among: float
    keep: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """``tokens`` of the text called ``text`` were read. ``alike`` and ``by_layer`` are shares as they were added up,
    in nats a token: with ``keep`` in all layers, and as expected of the keeps found.
    """

    model: str
    keep: float
    text: str
    tokens: int
    layers: tuple[CalibratedLayer, ...]
    alike: float
    by_layer: float

    @property
    def spelling(self) -> str:
        """The keeps as a profile's ``draft.layers``."""
        return spell_keeps([layer.keep for layer in self.layers])


def check_keep(keep: float) -> None:
    """Raise ``UsageError`` for a mean keep that leaves nothing to share out."""
    least, most = _KEEPS
    if not least <= keep <= most:
        raise UsageError(f"keep cannot be {keep:g}", f"give a number from {least:g} to {most:g}")


def check_output(path: Path) -> None:
    """Raise ``UsageError`` for what is no place for a profile's file."""
    if path.suffix not in (".yaml", ".yml") or not is_place(path):
        raise UsageError(f"cannot write a profile to {path}", "name a .yaml file in a folder that exists")


def read_text(path: Path | None) -> CalibrationText:
    """The text of ``path``, else the built-in sample.

    Raises:
        ModelError: if there is no such file, or it is not UTF-8.
    """
    if path is None:
        return CalibrationText("the built-in sample text", None)
    try:
        return CalibrationText(path.name, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "name a text file") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 at byte {error.start}", "convert it, or name another text") from error


def calibrate(engine: "Engine", keep: float, text: CalibrationText, progress: Progress) -> Calibration:
    """Measure every layer of the model on ``text``, and find keeps with the mean ``keep``.

    Raises:
        ModelError: if the text is too short for this model's tokens.
    """
    from sirius_cli.engine.drafts.sensitivity import sensitivities

    parts, keeps = _parts(engine, text), _grid(keep)
    measuring = sensitivities(engine.model, parts, _BEHIND, keep, keeps)
    found = list(_told(measuring, len(engine.model.config.layers), progress))
    chosen = allocate([layer.losses for layer in found], keeps, keep)
    losses = [layer.losses[keeps.index(own)] for layer, own in zip(found, chosen, strict=True)]
    layers = tuple(
        CalibratedLayer(layer.share, layer.alone, layer.among, own) for layer, own in zip(found, chosen, strict=True)
    )
    alike, tokens = sum(layer.share for layer in found), sum(map(len, parts))
    return Calibration(engine.loaded.model, keep, text.name, tokens, layers, alike, sum(losses))


def _told(measuring: Iterator["Sensitivity"], layers: int, progress: Progress) -> Iterator["Sensitivity"]:
    stage, began = "Measuring what each layer is worth", monotonic()
    progress(ProgressEvent(stage, 0, layers, unit="layers"))
    for done, found in enumerate(measuring, 1):
        left = (monotonic() - began) / done * (layers - done)
        progress(ProgressEvent(stage, done, layers, unit="layers", remaining=left))
        yield found


def _parts(engine: "Engine", text: CalibrationText) -> list[list[int]]:
    """Equally long parts from all over the text, each with what the model wants ahead of a prompt."""
    ahead = engine.tokens.encode("", special=True)
    ids = sample_of(engine.tokens) if text.text is None else engine.tokens.encode(text.text, special=True)
    ids = ids[len(ahead) :]
    size = min(len(ids) // _TEXTS, _LONGEST, engine.context - len(ahead))
    if size < _SHORTEST:
        raise ModelError(f"{text.name} has {len(ids)} tokens", f"calibrate on at least {_TEXTS * _SHORTEST}")
    return [ahead + ids[start : start + size] for start in range(0, len(ids) // _TEXTS * _TEXTS, len(ids) // _TEXTS)]


def _grid(keep: float) -> tuple[float, ...]:
    least = _FLOOR * keep
    return tuple(round(least + (1.0 - least) * step / _STEPS, 4) for step in range(_STEPS + 1))


def profile_text(found: Calibration, asked: str) -> str:
    """The profile file of ``found``; ``asked`` is the command that it comes from."""
    shares = [layer.share for layer in found.layers]
    source = (
        f"{asked}: {found.tokens} tokens of {found.text}. At keep {found.keep:g} a layer costs "
        f"{min(shares):.2g} to {max(shares):.2g} nats a token, all of them {found.alike:.3g}; "
        f"with these keeps {found.by_layer:.3g} are expected."
    )
    document = {
        "schema_version": SCHEMA_VERSION,
        "extends": "sirius",
        "description": f"As sirius, with a keep for each layer of {found.model}.",
        "source": source,
        "draft": {"method": "coarse", "keep": found.keep, "layers": found.spelling},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def write_profile(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all. Raises ``EnvironmentProblem`` where that is not possible."""
    try:
        write_text(path, text)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", "name another file") from error
