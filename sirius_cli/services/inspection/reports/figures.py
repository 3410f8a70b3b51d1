"""The charts that pages and pictures show, drawn from the facts."""

import math
from collections.abc import Sequence

from sirius_cli.services.inspection import aggregates
from sirius_cli.services.inspection.facts import Request, metrics_of
from sirius_cli.services.reports import charts
from sirius_cli.services.reports.charts import Bar, Level, Series

_POINTS = 300  # more than a chart can show


def all_charts(requests: Sequence[Request]) -> list[tuple[str, str]]:
    """Each chart with its title."""
    drawn = {
        "Acceptance by position in the window": acceptance,
        "Advance per check": advances,
        "Effective density over committed tokens": density,
        "Corrections by token class": classes,
    }
    return [(title, draw(title, requests)) for title, draw in drawn.items()]


def acceptance(title: str, requests: Sequence[Request]) -> str:
    """Rates with their intervals."""
    bars = [
        Bar(str(r.position), r.rate, f"position {r.position}: {r.accepted} of {r.offered} accepted, {r.rate:.1%} "
            f"({r.low:.1%} to {r.high:.1%})", r.low, r.high)
        for r in aggregates.acceptance_by_position(requests)
    ]  # fmt: skip
    return charts.columns(title, bars, "position in the window", "accepted / offered", top=1.0)


def advances(title: str, requests: Sequence[Request]) -> str:
    """A bar for every advance from 1 to the greatest."""
    counts = dict(aggregates.advance_histogram(requests))
    span = range(1, max(counts, default=0) + 1)
    bars = [Bar(str(n), counts.get(n, 0), f"{counts.get(n, 0)} checks committed {n} tokens") for n in span]
    return charts.columns(title, bars, "tokens committed by a check", "checks")


def density(title: str, requests: Sequence[Request]) -> str:
    """The density so far and that of the latest windows, against dense decoding and the draft."""
    points = [p for p in aggregates.density_series(requests) if math.isfinite(p.overall + p.recent)]
    points = points[:: math.ceil(len(points) / _POINTS)] if len(points) > _POINTS else points
    draft = metrics_of(tuple(requests)).draft_density
    levels = [Level("dense", 1.0)] + ([Level("draft", draft)] if draft is not None and math.isfinite(draft) else [])
    series = [
        Series(f"last {aggregates.LATEST} windows", "recent", tuple((p.tokens, p.recent) for p in points)),
        Series("so far", "overall", tuple((p.tokens, p.overall) for p in points)),
    ]
    return charts.lines(title, series, levels, "committed tokens", "effective density")


def classes(title: str, requests: Sequence[Request]) -> str:
    """Corrections of each class, and how often a token of it is one."""
    bars = [
        Bar(found.token_class, found.corrections, f"{found.corrections} of {found.tokens} ({found.rate:.1%})")
        for found in aggregates.by_class(requests)
    ]
    return charts.rows(title, bars)
