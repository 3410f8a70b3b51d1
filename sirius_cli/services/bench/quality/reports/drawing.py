"""The charts of a benchmark as one SVG picture."""

from sirius_cli.services.bench.quality.reports import figures, tables
from sirius_cli.services.bench.quality.results import BenchResult
from sirius_cli.services.reports import picture


def render(result: BenchResult) -> str:
    """The whole picture: the charts of each task below its name, and first what is wrong with the run."""
    body, y = [picture.text("title", picture.MARGIN, 40, result.model)], 72.0
    for problem in tables.problems(result):
        body.append(picture.text("small", picture.MARGIN, y, problem))
        y += 20
    for task in result.tasks:
        body.append(picture.text("small", picture.MARGIN, y, tables.heading(task)))
        charts, y = picture.two_columns(figures.all_charts(task), y + 32)
        body += charts
    return picture.document(y, body)
