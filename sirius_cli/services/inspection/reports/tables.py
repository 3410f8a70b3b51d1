"""The facts of an inspection as tables: what every written form shows."""

from collections.abc import Iterable, Mapping, Sequence

from sirius_cli.core.metrics import Metrics
from sirius_cli.services.inspection import aggregates
from sirius_cli.services.inspection.comparison import Comparison, RequestPair
from sirius_cli.services.inspection.decisions import decisions
from sirius_cli.services.inspection.facts import Correction, Inspection, Request, Run, metrics_of
from sirius_cli.services.reports.table import UNKNOWN, Column, Kind, Table, Value

_PAIRS = 20  # the most frequent ones; a report need not list every single one

FIGURES: Mapping[str, tuple[str, Kind]] = {
    "committed_tokens": ("committed tokens", "count"),
    "checks": ("checks", "count"),
    "aal": ("AAL", "figure"),
    "draft_density": ("draft density", "ratio"),
    "effective_density": ("effective density", "ratio"),
    "effective_read": ("effective read", "ratio"),
    "corrected_fraction": ("corrected", "percent"),
    "looked_up": ("looked up", "percent"),
    "ttft_ms": ("first token, ms", "figure"),
    "decode_tokens_per_second": ("decode tok/s", "figure"),
    "draft_step_ms": ("draft step, ms", "figure"),
    "check_ms": ("check, ms", "figure"),
}

CORRECTION_COLUMNS = (
    Column("run", "run", "text"),
    Column("request", "answer", "count"),
    Column("index", "index", "count"),
    Column("draft", "draft", "token"),
    Column("dense", "dense", "token"),
    Column("p_draft", "p(draft)", "ratio"),
    Column("p", "p(dense)", "ratio"),
    Column("margin", "margin", "ratio"),
    Column("q", "q", "ratio"),
    Column("entropy", "entropy", "ratio"),
    Column("class", "class", "text"),
    Column("window", "window", "count"),
    Column("position", "position", "count"),
    Column("drafted", "drafted", "count"),
)
_SOURCE = Column("source", "source", "text")
_NODES = Column("nodes", "nodes", "count")


def about(inspection: Inspection) -> list[tuple[str, str]]:
    """What the runs were, as (name, value); where they differ, all values."""
    described = [_describe(run) for run in inspection.runs]
    return [(name, ", ".join(dict.fromkeys(run[name] for run in described))) for name in described[0]]


def all_tables(inspection: Inspection, chosen: Sequence[Correction]) -> list[Table]:
    """Every table, that of the ``chosen`` corrections first after the figures."""
    requests = inspection.requests
    return [
        figures_table(inspection),
        corrections_table(chosen, runs=len(inspection.runs)),
        acceptance_table(requests),
        pairs_table(chosen),
        classes_table(requests),
        advances_table(requests),
        *decisions_tables(requests),
    ]


def figures_table(inspection: Inspection) -> Table:
    """One row an answer, and one for all of them. What was looked up is told where anything was."""
    all_of_them = metrics_of(inspection.requests)
    names = [name for name in FIGURES if name != "looked_up" or all_of_them.looked_up]
    columns = (Column("answer", "answer", "text"), *(Column(name, *FIGURES[name]) for name in names))
    several = len(inspection.runs) > 1
    rows = [
        _figures(f"{r.run} {r.number}" if several else str(r.number), metrics_of((r,)), names)
        for r in inspection.requests
    ]
    total = [_figures("all", all_of_them, names)] if len(rows) != 1 else []
    return Table("figures", "Figures", columns, tuple(rows + total))


def corrections_table(corrections: Sequence[Correction], runs: int = 1) -> Table:
    """The corrections given; which run they are of, the nodes of a tree and what had drafted them, is left out where
    all are alike.
    """
    columns = CORRECTION_COLUMNS if runs > 1 else CORRECTION_COLUMNS[1:]
    columns = (*columns, _NODES) if any(c.nodes for c in corrections) else columns
    columns = (*columns, _SOURCE) if any(c.source == "lookup" for c in corrections) else columns
    rows = tuple(tuple(value_of(c, column.name) for column in columns) for c in corrections)
    return Table("corrections", "Corrections", columns, rows)


def detailed_table(corrections: Sequence[Correction]) -> Table:
    """The corrections with all that is known of them, for programs."""
    columns = (
        *CORRECTION_COLUMNS, Column("draft_class", "draft class", "text"), Column("before", "before", "text"),
        Column("after", "after", "text"), Column("draft_id", "draft id", "count"),
        Column("dense_id", "dense id", "count"), _SOURCE, _NODES,
    )  # fmt: skip
    rows = tuple(tuple(value_of(c, column.name) for column in columns) for c in corrections)
    return Table("corrections", "Corrections", columns, rows)


def value_of(correction: Correction, name: str) -> Value:
    """The value of the column ``name``."""
    value: Value = getattr(correction, "token_class" if name == "class" else name)
    return value


def acceptance_table(requests: Sequence[Request]) -> Table:
    """How often the tokens drafted at each position of a window are kept."""
    columns = (
        Column("position", "position", "count"), Column("offered", "offered", "count"),
        Column("reached", "reached", "count"), Column("accepted", "accepted", "count"),
        Column("rate", "rate", "ratio"), Column("low", "95 % from", "ratio"), Column("high", "to", "ratio"),
        Column("rate_if_reached", "rate if reached", "ratio"),
    )  # fmt: skip
    rates = aggregates.acceptance_by_position(requests)
    return Table("acceptance", "Acceptance by position in the window", columns, _rows(columns, rates))


def pairs_table(corrections: Iterable[Correction]) -> Table:
    """The most frequent pairs of draft and dense token."""
    columns = (
        Column("draft", "draft", "token"), Column("dense", "dense", "token"), Column("count", "count", "count"),
        Column("share", "share", "percent"), Column("margin", "mean margin", "ratio"),
    )  # fmt: skip
    pairs = aggregates.frequent_pairs(corrections)[:_PAIRS]
    return Table("pairs", "Most frequent draft → dense pairs", columns, _rows(columns, pairs))


def classes_table(requests: Sequence[Request]) -> Table:
    """Corrections by the class of the dense token."""
    columns = (
        Column("token_class", "class", "text"), Column("corrections", "corrections", "count"),
        Column("share", "share", "percent"), Column("tokens", "tokens", "count"),
        Column("rate", "corrected", "percent"),
    )  # fmt: skip
    return Table("classes", "Token classes", columns, _rows(columns, aggregates.by_class(requests)))


def advances_table(requests: Sequence[Request]) -> Table:
    """How many tokens the checks committed."""
    columns = (Column("advance", "advance", "count"), Column("checks", "checks", "count"))
    return Table("advances", "Advance histogram", columns, aggregates.advance_histogram(requests))


def decisions_tables(requests: Sequence[Request]) -> list[Table]:
    """The sizes that a planner chose, and why; no table where none did."""
    columns = (
        Column("size", "window", "count"), Column("reason", "reason", "text"), Column("times", "decided", "count"),
        Column("windows", "windows", "count"), Column("committed", "tokens", "count"),
        Column("draft", "draft cost", "ratio"), Column("accepted", "accepted", "ratio"),
        Column("speedup", "promised speed-up", "ratio"),
    )  # fmt: skip
    made = decisions(requests)
    return [Table("decisions", "Planned windows", columns, _rows(columns, made))] if made else []


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What changed: figures, answers, and the corrections that only one side has."""
    return [_figure_pairs(comparison), _request_pairs(comparison), _only_in_one(comparison)]


def _figure_pairs(comparison: Comparison) -> Table:
    columns = (
        Column("figure", "figure", "text"), Column("left", "this", "figure"), Column("right", "other", "figure"),
        Column("change", "change", "figure"),
    )  # fmt: skip
    pairs = [(pair, FIGURES[pair.name][0]) for pair in comparison.figures if pair.name in FIGURES]
    rows = tuple((label, pair.left, pair.right, pair.change) for pair, label in pairs)
    return Table("changed_figures", "Figures of both", columns, rows)


def _request_pairs(comparison: Comparison) -> Table:
    columns = (
        Column("left", "this", "text"), Column("right", "other", "text"),
        Column("differs_at", "differs from index", "count"),
        Column("left_token", "token of this", "token"), Column("right_token", "token of other", "token"),
        Column("only_left", "corrected only in this", "count"),
        Column("only_right", "corrected only in other", "count"),
    )  # fmt: skip
    rows = tuple(
        (_name(pair.left), _name(pair.right), pair.differs_at,
         pair.left_token if pair.differs_at is not None else None,
         pair.right_token if pair.differs_at is not None else None, len(pair.only_left), len(pair.only_right))
        for pair in comparison.requests
    )  # fmt: skip
    return Table("changed_answers", "Answers of both", columns, rows)


def _only_in_one(comparison: Comparison) -> Table:
    columns = (Column("side", "only in", "text"), *CORRECTION_COLUMNS)
    rows = [
        (side, *(value_of(correction, column.name) for column in CORRECTION_COLUMNS))
        for pair in comparison.requests
        for side, corrections in _sides(pair)
        for correction in corrections
    ]
    return Table("changed_corrections", "Corrections in only one, while the texts agree", columns, tuple(rows))


def _sides(pair: RequestPair) -> list[tuple[str, tuple[Correction, ...]]]:
    return [("this", pair.only_left), ("other", pair.only_right)]


def _name(request: Request | None) -> str | None:
    return f"{request.run} {request.number}" if request else None


def _figures(name: str, metrics: Metrics, figures: Iterable[str]) -> tuple[Value, ...]:
    return (name, *(getattr(metrics, figure) for figure in figures))


def _rows(columns: Iterable[Column], facts: Iterable[object]) -> tuple[tuple[Value, ...], ...]:
    return tuple(tuple(getattr(fact, column.name) for column in columns) for fact in facts)


def _describe(run: Run) -> dict[str, str]:
    profile, sampling = run.header.profile, run.header.sampling
    rule = f"{profile.correction.accept}, window {profile.correction.window}" if profile.corrects else "no check"
    if profile.corrects and profile.correction.window == "auto":
        rule += f" for {profile.correction.plan_for}"
    return {
        "run": run.name,
        "model": run.header.model,
        "device": run.header.device,
        "profile": profile.name,
        "draft": profile.draft.words,
        "check": rule,
        "sampling": "greedy" if sampling.greedy else f"temperature {sampling.temperature:g}, seed {sampling.seed}",
        "sirius": run.header.versions.get("sirius-llm", UNKNOWN),
    }
