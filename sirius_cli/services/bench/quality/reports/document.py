"""The results of a benchmark as plain JSON data, and back."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from sirius_cli.services.bench.quality.reports.finite import finite
from sirius_cli.services.bench.quality.results import SCHEMA_VERSION, BenchResult
from sirius_cli.services.reports import stored


def result_to_json(result: BenchResult) -> dict[str, Any]:
    """The document of ``--format json`` and of ``results.json``. Every number in it is finite."""
    data: dict[str, Any] = _adapter().dump_python(finite(result), mode="json")
    return {"schema_version": SCHEMA_VERSION, **data}


def result_from_json(data: object, name: str = "the document") -> BenchResult:
    """The inverse of :func:`result_to_json`; ``name`` is what messages call it.

    Raises:
        ModelError: it is broken, or of a newer schema.
    """
    return stored.parsed(_adapter(), data, SCHEMA_VERSION, name)


@cache
def _adapter() -> TypeAdapter[BenchResult]:
    return TypeAdapter(BenchResult)
