"""An inspection as plain JSON data."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sirius_cli.core.events import Planned
from sirius_cli.core.metrics import Metrics
from sirius_cli.services.answer import metrics_to_json
from sirius_cli.services.inspection import aggregates
from sirius_cli.services.inspection.comparison import Comparison, RequestPair
from sirius_cli.services.inspection.decisions import decisions
from sirius_cli.services.inspection.facts import Correction, Inspection, Request, Run, metrics_of

SCHEMA_VERSION = 1


def inspection_to_json(
    inspection: Inspection, chosen: Sequence[Correction], comparison: Comparison | None = None
) -> dict[str, Any]:
    """The document of ``--format json``. Probabilities are as recorded, times in milliseconds."""
    requests = inspection.requests
    document = {
        "schema_version": SCHEMA_VERSION,
        "problems": list(inspection.problems),
        "runs": [_run(run) for run in inspection.runs],
        "metrics": _metrics(metrics_of(requests)),
        "corrections": [correction_to_json(correction) for correction in chosen],
        "acceptance": _all(aggregates.acceptance_by_position(requests)),
        "pairs": _all(aggregates.frequent_pairs(chosen)),
        "classes": _all(aggregates.by_class(requests)),
        "advances": [{"advance": advance, "checks": n} for advance, n in aggregates.advance_histogram(requests)],
        "decisions": _all(decisions(requests)),
        "density": _all(aggregates.density_series(requests)),
        "activity": list(aggregates.mean_activity(requests)),
        **({"against": _comparison(comparison)} if comparison else {}),
    }
    finite: dict[str, Any] = _finite(document)
    return finite


def correction_to_json(correction: Correction) -> dict[str, Any]:
    """The correction, its classes under ``class`` and ``draft_class``."""
    data = asdict(correction)
    data["class"] = data.pop("token_class")
    return data


def _run(run: Run) -> dict[str, Any]:
    header = run.header
    return {
        "run": run.name,
        "model": header.model,
        "device": header.device,
        "profile": header.profile.model_dump(mode="json"),
        "sampling": asdict(header.sampling),
        "versions": header.versions,
        "damage": run.damage,
        "requests": [_request(request) for request in run.requests],
    }


def _request(request: Request) -> dict[str, Any]:
    return {
        "request": request.number,
        "row": request.row,
        "prompt_tokens": request.prompt_tokens,
        "finish_reason": request.finish_reason,
        "error": request.error or None,
        "text": request.text,
        "corrections": len(request.corrections),
        "plans": [_plan(event) for event in request.events if isinstance(event, Planned)],
        "metrics": _metrics(metrics_of((request,))),
    }


def _plan(event: Planned) -> dict[str, Any]:
    return {name: value for name, value in asdict(event).items() if name != "row"}


def _metrics(metrics: Metrics) -> dict[str, Any]:
    return {name: value for name, value in metrics_to_json(metrics).items() if name != "check_cost_ratio"}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "problems": list(comparison.right.problems),
        "runs": [_run(run) for run in comparison.right.runs],
        "paired_by": "prompt length" if comparison.by_prompt else "order",
        "figures": [{**asdict(pair), "change": pair.change} for pair in comparison.figures],
        "requests": [_request_pair(pair) for pair in comparison.requests],
    }


def _request_pair(pair: RequestPair) -> dict[str, Any]:
    return {
        "left": _place(pair.left),
        "right": _place(pair.right),
        "differs_at": pair.differs_at,
        "left_token": pair.left_token,
        "right_token": pair.right_token,
        "only_left": [correction_to_json(correction) for correction in pair.only_left],
        "only_right": [correction_to_json(correction) for correction in pair.only_right],
    }


def _place(request: Request | None) -> dict[str, Any] | None:
    return {"run": request.run, "request": request.number} if request else None


def _all(facts: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(fact) for fact in facts]


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; a forged trace may."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
