"""A benchmark as one HTML file, without any script."""

from sirius_cli.services.bench.quality.reports import figures, tables
from sirius_cli.services.bench.quality.results import BenchResult, TaskResult
from sirius_cli.services.reports import markup
from sirius_cli.services.reports.markup import safe

_CHARTS = "In charts of scores, bars and the band around the first method are one standard error to either side."
# Many columns: they have to fit a page of paper. What is folded away on a screen is printed.
WIDE_TABLES = """
table { font-size: .8rem; }
th { white-space: normal; vertical-align: bottom; }
th, td { padding: .3rem; }
td.composed { white-space: nowrap; }
td.text { min-width: 5.5rem; overflow-wrap: anywhere; }
.charts, details { margin-top: 1.2rem; }
details .about { margin-top: .8rem; }
@media print {
  table { font-size: 6.8pt; }
  th, td { padding: .15rem .2rem; }
  ::details-content { content-visibility: visible; block-size: auto; }
}
"""


def render(result: BenchResult) -> str:
    """The whole page."""
    title = f"Benchmark of {result.model}"
    body = [
        f"<header><h1>{safe(title)}</h1>{markup.about(tables.about(result))}</header>",
        *map(markup.problem, tables.problems(result)),
        *map(_task, result.tasks),
        _details(result),
        markup.footer([*tables.LEGEND, _CHARTS]),
    ]
    return markup.page(title, body, WIDE_TABLES)


def _task(task: TaskResult) -> str:
    table = tables.task_table(task)
    charts = markup.charts(figures.all_charts(task))
    return f"<section><h2>{safe(table.title)}</h2>{markup.table_of(table)}{charts}</section>"


def _details(result: BenchResult) -> str:
    content = markup.table_of(tables.profiles_table(result)) + markup.about(tables.conditions(result))
    return f"<details><summary>Profiles, settings and versions</summary>{content}</details>"
