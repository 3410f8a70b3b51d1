"""Results of benchmarks, and comparisons of two, in every form that they have."""

from collections.abc import Callable, Mapping

from sirius_cli.core.safe_json import as_json
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.quality.reports import comparison_report, document, drawing, page, tables
from sirius_cli.services.bench.quality.reports.comparison import RunComparison, compare
from sirius_cli.services.bench.quality.reports.finite import finite
from sirius_cli.services.bench.quality.results import BenchResult
from sirius_cli.services.reports import csv_file, markdown, plain


def render(result: BenchResult, format: str) -> str:
    """The report of one run as "table", "md", "csv", "json", "html" or "svg", ending with a newline.

    Raises:
        UsageError: for another ``format``.
    """
    _check(format, _FORMS)
    return _FORMS[format](finite(result))


def render_comparison(a: BenchResult, b: BenchResult, format: str) -> str:
    """The report of two runs beside each other; as :func:`render`."""
    _check(format, _COMPARISONS)
    return _COMPARISONS[format](compare(finite(a), finite(b)))


def _check(format: str, known: Mapping[str, object]) -> None:
    if format not in known:
        raise UsageError(f"there is no format {format!r}", f"give one of {', '.join(known)}")


def _plain(result: BenchResult) -> str:
    parts = [plain.table_lines(tables.task_table(task)) for task in result.tasks]
    facts = plain.about_lines([fact for fact in tables.about(result) if fact[0] != "created"])
    return plain.joined([*parts, facts, tables.problems(result), plain.wrapped(tables.LEGEND)])


def _markdown(result: BenchResult) -> str:
    facts = [*tables.about(result), *tables.conditions(result)]
    parts = [*map(tables.task_table, result.tasks), tables.profiles_table(result)]
    notes = [*tables.problems(result), *tables.LEGEND]
    return markdown.render(f"Benchmark of {result.model}", facts, parts, notes)


def _plain_comparison(comparison: RunComparison) -> str:
    parts = map(plain.table_lines, comparison_report.all_tables(comparison))
    facts = plain.about_lines(comparison_report.about(comparison))
    return plain.joined([facts, *parts, plain.wrapped(comparison_report.NOTES)])


def _markdown_comparison(comparison: RunComparison) -> str:
    parts = comparison_report.all_tables(comparison)
    return markdown.render(comparison_report.TITLE, comparison_report.about(comparison), parts, comparison_report.NOTES)


_FORMS: Mapping[str, Callable[[BenchResult], str]] = {
    "table": _plain,
    "md": _markdown,
    "csv": lambda result: csv_file.render(tables.raw_table(result)),
    "json": lambda result: as_json(document.result_to_json(result), indent=2) + "\n",
    "html": page.render,
    "svg": drawing.render,
}
_COMPARISONS: Mapping[str, Callable[[RunComparison], str]] = {
    "table": _plain_comparison,
    "md": _markdown_comparison,
    "csv": lambda comparison: csv_file.render(comparison_report.raw_table(comparison)),
    "json": lambda comparison: as_json(comparison_report.comparison_to_json(comparison), indent=2) + "\n",
    "html": comparison_report.page_of,
}
