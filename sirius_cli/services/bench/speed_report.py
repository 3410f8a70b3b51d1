"""A speed measurement in the forms that are written: tables, CSV, JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

from sirius_cli.core.events import Loaded
from sirius_cli.core.safe_json import as_json
from sirius_cli.core.statistics import Summary
from sirius_cli.services.bench.speed_results import DecodeRow, SpeedResult, SpeedRow
from sirius_cli.services.reports import csv_file, markdown, plain
from sirius_cli.services.reports.table import Column, Table, Value

SCHEMA_VERSION = 1


class Engine(Protocol):
    """What is told of the engine."""

    @property
    def loaded(self) -> Loaded: ...
    @property
    def weight_bytes(self) -> int: ...
    @property
    def threads(self) -> int: ...


_PASS_COLUMNS = (
    Column("name", "test", "text"), Column("depth", "depth", "count"), Column("mean", "ms", "composed"),
    Column("median", "median", "figure"), Column("over_dense", "/ dense", "composed"),
    Column("tokens_per_second", "tok/s", "tenths"), Column("read", "read MB", "tenths"),
    Column("floor_ms", "floor ms", "figure"), Column("floor_share", "of floor", "percent"),
    Column("peak", "peak MB", "count"), Column("note", "note", "text"),
)  # fmt: skip
_DECODE_COLUMNS = (
    Column("name", "end to end", "text"), Column("prompt", "prompt", "count"), Column("tokens", "tokens", "count"),
    Column("mean", "ms/tok", "composed"), Column("median", "median", "figure"),
    Column("over_dense", "/ dense", "composed"), Column("tokens_per_second", "tok/s", "tenths"),
    Column("p50", "p50", "figure"), Column("p90", "p90", "figure"), Column("p99", "p99", "figure"),
    Column("first", "first ms", "tenths"), Column("aal", "AAL", "figure"),
    Column("density", "density", "ratio"), Column("read", "read MB", "tenths"),
    Column("floor_ms", "floor ms", "figure"), Column("floor_share", "of floor", "percent"),
    Column("peak", "peak MB", "count"), Column("note", "note", "text"),
)  # fmt: skip
_CSV_TEXTS = ("kind", "name", "note")
_CSV_NUMBERS = (
    "depth", "prompt_tokens", "tokens", "n", "mean_ms", "sd_ms", "median_ms", "p10_ms", "p90_ms", "tokens_per_second",
    "over_dense", "over_dense_p10", "over_dense_p90", "first_token_ms", "latency_p50_ms", "latency_p90_ms",
    "latency_p99_ms", "aal", "effective_density", "same_tokens", "read_bytes", "floor_ms", "floor_share", "peak_bytes",
    "looked_up",
)  # fmt: skip


def document(engine: Engine, result: SpeedResult) -> dict[str, Any]:
    """Everything, as plain JSON data."""
    return {**_header(engine), **asdict(result)}


def lines(engine: Engine, result: SpeedResult) -> Iterator[dict[str, Any]]:
    """The same as one object a line: a header, then a row each."""
    yield {"kind": "header", **_header(engine), "bandwidth": asdict(result.bandwidth)}
    yield from ({"kind": "pass", **asdict(row)} for row in result.rows)
    yield from ({"kind": "end_to_end", **asdict(row)} for row in result.end_to_end)
    yield from ({"kind": "missing", **asdict(row)} for row in result.missing)


def as_json_lines(engine: Engine, result: SpeedResult) -> str:
    """:func:`lines` as text."""
    return "".join(f"{as_json(line, indent=None)}\n" for line in lines(engine, result))


def as_text(result: SpeedResult) -> str:
    """Tables for a terminal, without titles: the first column says what they show."""
    return plain.joined([plain.table_lines(table)[1:] for table in _tables(result)])


def as_markdown(engine: Engine, result: SpeedResult) -> str:
    """Tables with what was measured above them."""
    loaded = engine.loaded
    about = [
        ("model", loaded.model),
        ("device", f"{loaded.device}, {loaded.dtype}, {engine.threads} threads"),
        ("plain read of memory", f"{spread(result.bandwidth, 1e-9)} GB/s"),
    ]
    return markdown.render("Speed", about, _tables(result), [legend()])


def as_csv(result: SpeedResult) -> str:
    """One line a row, of whatever kind."""
    columns = [*(Column(name, name, "text") for name in _CSV_TEXTS), *(Column(n, n, "figure") for n in _CSV_NUMBERS)]
    rows = [tuple(record.get(column.name) for column in columns) for record in _records(result)]
    return csv_file.render(Table("speed", "Speed", tuple(columns), tuple(rows)))


def legend() -> str:
    """What the columns of the tables mean."""
    return (
        'ms: mean ± sd; "/ dense": time over the dense time of the same repetition, median (10th to 90th percentile); '
        "p50, p90, p99: ms between arrivals of tokens, those of one check arrive together"
    )


def spread(summary: Summary, scale: float = 1.0) -> str:
    """Median, and 10th to 90th percentile."""
    return f"{scale * summary.median:.2f} ({scale * summary.p10:.2f} to {scale * summary.p90:.2f})"


def _header(engine: Engine) -> dict[str, Any]:
    loaded = engine.loaded
    return {
        "schema_version": SCHEMA_VERSION,
        "model": loaded.model,
        "device": loaded.device,
        "dtype": loaded.dtype,
        "ops": loaded.ops,
        "threads": engine.threads,
        "weight_bytes": engine.weight_bytes,
    }


def _tables(result: SpeedResult) -> Iterator[Table]:
    yield _table("passes", "Single passes", _PASS_COLUMNS, [_pass_cells(row) for row in result.rows])
    missing = [(row.name, *[None] * (len(_DECODE_COLUMNS) - 2), row.reason) for row in result.missing]
    rows = [*(_decode_cells(row) for row in result.end_to_end), *missing]
    if rows:
        yield _table("end_to_end", "End to end", _DECODE_COLUMNS, rows)


def _table(name: str, title: str, columns: tuple[Column, ...], rows: list[tuple[Value, ...]]) -> Table:
    """A last column without any note is left out."""
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Table(name, title, columns, tuple(rows))


def _pass_cells(row: SpeedRow) -> tuple[Value, ...]:
    length = f" {row.tokens}" if row.tokens > 1 or row.name == "check" else ""
    return (
        row.name + length, row.depth, _mean(row.milliseconds), row.milliseconds.median,
        _ratio(row.over_dense), row.tokens_per_second, _megabytes(row.read_bytes), row.floor_ms, row.floor_share,
        round(row.peak_bytes / 1e6), row.note,
    )  # fmt: skip


def _decode_cells(row: DecodeRow) -> tuple[Value, ...]:
    waits = (row.latency.p50, row.latency.p90, row.latency.p99) if row.latency else (None, None, None)
    return (
        row.name, row.prompt_tokens, row.tokens, _mean(row.milliseconds), row.milliseconds.median,
        _ratio(row.over_dense), row.tokens_per_second, *waits,
        row.first_token_ms.median if row.first_token_ms else None, row.aal, row.effective_density,
        _megabytes(row.read_bytes), row.floor_ms, row.floor_share,
        None if row.peak_bytes is None else round(row.peak_bytes / 1e6), row.note,
    )  # fmt: skip


def _mean(summary: Summary) -> str:
    return f"{summary.mean:.2f} ± {summary.sd:.2f}"


def _ratio(summary: Summary | None) -> str | None:
    return None if summary is None else spread(summary)


def _megabytes(size: int | None) -> float | None:
    return None if size is None else size / 1e6


def _records(result: SpeedResult) -> Iterator[dict[str, Value]]:
    for row in result.rows:
        yield {"kind": "pass", "depth": row.depth, **_common_record(row)}
    for answer in result.end_to_end:
        yield {"kind": "end_to_end", **_decode_record(answer), **_common_record(answer)}
    for missing in result.missing:
        yield {"kind": "missing", "name": missing.name, "note": missing.reason}


def _common_record(row: SpeedRow | DecodeRow) -> dict[str, Value]:
    times = row.milliseconds
    record: dict[str, Value] = {
        "name": row.name, "note": row.note, "tokens": row.tokens, "n": times.n, "mean_ms": times.mean,
        "sd_ms": times.sd, "median_ms": times.median, "p10_ms": times.p10, "p90_ms": times.p90,
        "tokens_per_second": row.tokens_per_second, "read_bytes": row.read_bytes, "floor_ms": row.floor_ms,
        "floor_share": row.floor_share, "peak_bytes": row.peak_bytes,
    }  # fmt: skip
    if (over := row.over_dense) is not None:
        record |= {"over_dense": over.median, "over_dense_p10": over.p10, "over_dense_p90": over.p90}
    return record


def _decode_record(row: DecodeRow) -> dict[str, Value]:
    record: dict[str, Value] = {
        "prompt_tokens": row.prompt_tokens, "aal": row.aal, "effective_density": row.effective_density,
        "same_tokens": row.same_tokens, "looked_up": row.looked_up,
    }  # fmt: skip
    if row.first_token_ms is not None:
        record["first_token_ms"] = row.first_token_ms.median
    if (waits := row.latency) is not None:
        record |= {"latency_p50_ms": waits.p50, "latency_p90_ms": waits.p90, "latency_p99_ms": waits.p99}
    return record
