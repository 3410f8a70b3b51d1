"""Traces: what is written is what is read, damage is named, replay keeps the pace."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from event_strategies import EVENTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirius_cli.core.events import (
    EVENT_TYPES,
    Committed,
    CommittedToken,
    Drafted,
    Finished,
    Loaded,
    Prefilled,
    StepEvent,
)
from sirius_cli.core.metrics import MetricsFold, fold
from sirius_cli.core.profile import DraftSpec, Profile
from sirius_cli.core.request import SamplingSpec
from sirius_cli.core.trace import Trace, TraceHeader, TraceWriter, event_from_json, event_to_json, read_trace, replay
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.exit_codes import ExitCode

HEADER = TraceHeader(
    model="builtin:smollm2",
    device="cpu",
    profile=Profile(name="mine", draft=DraftSpec(keep=0.25)),
    origins={"draft.keep": "flag --keep"},
    sampling=SamplingSpec(temperature=0.5, seed=3),
    versions={"python": "3.11.2", "torch": "2.13.0"},
)
# The first draw of a text on a new machine builds a table of all characters, which takes seconds.
unhurried = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=30
)


def write(path: Path, events: list[StepEvent]) -> None:
    with TraceWriter(path, HEADER) as writer:
        for event in events:
            writer.write(event)


def answer() -> list[StepEvent]:
    token = CommittedToken(7, "x", "prefill", 0.5)
    return [
        Loaded("m", "cpu", "float32", 10, 0.1, {"mlp": "numba"}),
        Prefilled(0, 0.5, 3, 0, 0.5),
        Committed(0, 0.5, 0, (token,)),
        Finished(0, 2.0, "length", ""),
    ]


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES))
@unhurried
@given(st.data())
def test_every_event_survives_json(kind: str, data: st.DataObject) -> None:
    event = data.draw(EVENTS[kind])
    assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event


def test_drafts_of_older_traces_came_from_steps() -> None:
    event = Drafted(0, 0.5, 1, (7,), ("x",), (0.9,), 0.65, 0.6, 0.01)
    written = event_to_json(event)
    del written["source"]
    assert event_from_json(written) == event
    assert event.source == "draft"


@unhurried
@given(st.lists(st.one_of(*EVENTS.values()), max_size=8))
def test_a_written_trace_reads_back_and_folds_alike(tmp_path: Path, events: list[StepEvent]) -> None:
    live = MetricsFold()
    for event in events:
        live.add(event)
    write(tmp_path / "run.jsonl", events)
    trace = read_trace(tmp_path / "run.jsonl")
    assert trace == Trace(HEADER, tuple(events), None)
    assert fold(trace.events) == live.metrics()


@pytest.mark.parametrize("data", [{}, {"event": "coffee"}, {"event": "finished", "row": 0}, {"event": ["x"]}])
def test_what_is_no_event_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"event|missing"):
        event_from_json(data)


def test_each_event_is_on_disk_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with TraceWriter(path, HEADER) as writer:
        for count, event in enumerate(answer(), start=1):
            writer.write(event)
            assert len(read_trace(path).events) == count


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_cut_off_line_is_named_and_the_rest_kept(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "run.jsonl"
    write(path, answer())
    path.write_bytes(path.read_bytes()[:-1][:-cut])
    trace = read_trace(path)
    assert trace.events == tuple(answer()[:3])
    assert trace.damage is not None
    assert f"{path}:5" in trace.damage
    assert "cut off" in trace.damage


def test_a_broken_line_ends_the_sound_part(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, answer())
    lines = path.read_text().splitlines()
    lines[2] = '{"event": "prefilled"}'
    path.write_text("\n".join(lines) + "\n")
    trace = read_trace(path)
    assert trace.events == tuple(answer()[:1])
    assert trace.damage == f"{path}:3: not an event; 1 events before it are sound"


def change_header(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    first, rest = path.read_text().split("\n", 1)
    header = json.loads(first)
    change(header)
    path.write_text(json.dumps(header) + "\n" + rest)


def test_a_newer_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, answer())
    change_header(path, lambda header: header.update(schema_version=2))
    with pytest.raises(ModelError, match="schema_version 2, this program reads 1") as caught:
        read_trace(path)
    assert caught.value.exit_code is ExitCode.MODEL_OR_DATA


def test_a_broken_header_says_where(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, answer())
    change_header(path, lambda header: header.update(profile={"draft": {"keep": 2.0}}))
    with pytest.raises(ModelError, match=r"run\.jsonl:1: .*profile\.draft\.keep") as caught:
        read_trace(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"[1]\n", b'{"event": "finished"}\n', b"\xff\xfe\x00"])
def test_other_files_are_no_traces(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not a trace"):
        read_trace(path)


def test_a_missing_trace(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the trace"):
        read_trace(tmp_path / "none")


def test_an_unwritable_place_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the trace"), TraceWriter(tmp_path / "no" / "run", HEADER):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error() -> None:
    with pytest.raises(EnvironmentProblem, match="No space left"), TraceWriter(Path("/dev/full"), HEADER):
        pass


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> float:
        return self.now


def times_of(events: list[StepEvent], speed: float) -> list[float]:
    clock = Clock()
    trace = Trace(HEADER, tuple(events), None)
    return [clock.now - 100.0 for _ in replay(trace, speed, sleep=clock.sleep, clock=clock.time)]


def test_replay_keeps_the_recorded_pace() -> None:
    assert times_of(answer(), 1.0) == [0.0, 0.5, 0.5, 2.0]
    assert times_of(answer(), 2.0) == [0.0, 0.25, 0.25, 1.0]
    assert times_of(answer(), float("inf")) == [0.0] * 4


def test_replay_starts_each_answer_anew() -> None:
    assert times_of([*answer(), *answer()[1:]], 1.0) == [0.0, 0.5, 0.5, 2.0, 2.5, 2.5, 4.0]


def test_replay_absorbs_a_slow_reader() -> None:
    clock = Clock()
    seen = []
    for _ in replay(Trace(HEADER, tuple(answer()), None), sleep=clock.sleep, clock=clock.time):
        clock.now += 0.1
        seen.append(round(clock.now - 100.0, 6))
    assert seen == [0.1, 0.6, 0.7, 2.1]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_replay_refuses_a_senseless_speed(speed: float) -> None:
    with pytest.raises(UsageError, match="speed"):
        replay(Trace(HEADER, (), None), speed)
