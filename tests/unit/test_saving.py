"""A conversation in files."""

import os
import subprocess
from pathlib import Path

import pytest

from sirius_cli.core.events import Finished, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import SamplingSpec
from sirius_cli.core.trace import TraceHeader, read_trace
from sirius_cli.errors import EnvironmentProblem, UsageError
from sirius_cli.services.feed import Message
from sirius_cli.services.recording import LiveTrace
from sirius_cli.services.reports.saving import save as save_report
from sirius_cli.services.saving import save

LOADED = Loaded("m", "cpu", "float32", 1, 0.1, {})
EVENTS: list[StepEvent] = [LOADED, Prefilled(0, 0.1, 3, 0, 0.1), Finished(0, 0.2, "stop", "ä")]
HEADER = TraceHeader("m", "cpu", Profile())
MESSAGES = (Message("user", "why\n"), Message("assistant", "because"))


def test_text_and_trace(tmp_path: Path) -> None:
    text, trace = save(tmp_path / "talk.md", MESSAGES, HEADER, EVENTS)
    assert text.read_text() == "## Prompt\n\nwhy\n\n## Answer\n\nbecause\n"
    assert trace == tmp_path / "talk.trace.jsonl"
    assert read_trace(trace).events == tuple(EVENTS)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", [".", "nowhere/talk.md"])
def test_a_place_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot save to"):
        save(tmp_path / name, MESSAGES, HEADER, EVENTS)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "talk.md").write_text("before")
    (tmp_path / "talk.trace.jsonl").mkdir()
    with pytest.raises(EnvironmentProblem):
        save(tmp_path / "talk.md", MESSAGES, HEADER, EVENTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.md", "talk.trace.jsonl"]


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    link, target = tmp_path / "link.md", tmp_path / "far" / "talk.md"
    target.parent.mkdir()
    target.write_text("before")
    link.symlink_to(target)
    save(link, MESSAGES, HEADER, EVENTS)
    assert link.is_symlink()
    assert "before" not in target.read_text()
    assert sorted(path.name for path in target.parent.iterdir()) == ["talk.md"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        save_report(pipe, "a report\n")
        assert reader.communicate()[0] == "a report\n"
    assert pipe.is_fifo()


def test_a_live_trace_begins_with_the_model(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    with LiveTrace(path, Profile(name="p"), {"draft.keep": "flag --keep"}, SamplingSpec(seed=3)) as record:
        assert not path.exists()
        for event in EVENTS:
            record(event)
        assert len(read_trace(path).events) == len(EVENTS)
    header = read_trace(path).header
    assert (header.model, header.profile.name, header.sampling.seed) == ("m", "p", 3)
