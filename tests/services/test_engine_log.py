"""The log of the engine's process."""

import io
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.services.engine_log import EngineLog


def test_nothing_printed_is_no_file(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "logs", 1)
    log.keep(io.BytesIO(b""))
    assert log.last_words() == ""
    assert not (tmp_path / "logs").exists()


def test_the_last_line_that_says_something_is_told(tmp_path: Path) -> None:
    log = EngineLog(tmp_path, 1)
    log.keep(io.BytesIO(b"Traceback\nValueError: x\n\n  \n"))
    assert log.last_words() == f": ValueError: x; see {log.path}"


def test_a_crash_of_the_interpreter_is_told_by_its_first_line(tmp_path: Path) -> None:
    log = EngineLog(tmp_path, 1)
    log.keep(io.BytesIO(b"Fatal Python error: Aborted\n" + b"  File ...\n" * 500))
    assert log.last_words().startswith(": Fatal Python error: Aborted;")


@given(st.lists(st.integers(0, 5000), max_size=200))
def test_the_file_is_bounded_and_has_the_end(tmp_path_factory, lengths: list[int]) -> None:
    log = EngineLog(tmp_path_factory.mktemp("logs"), 1)
    content = b"".join(b"x" * length + b"\n" for length in lengths) + b"the end\n"
    log.keep(io.BytesIO(content))
    kept = log.path.read_bytes()
    assert len(kept) <= 200_000
    assert kept == content or (b"left out" in kept and kept.endswith(b"the end\n"))


def test_only_the_newest_logs_are_kept(tmp_path: Path) -> None:
    for pid in range(1, 9):
        log = EngineLog(tmp_path, pid)
        log.keep(io.BytesIO(b"x\n"))
        os.utime(log.path, (pid, pid))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"engine-{pid}.log" for pid in range(4, 9)]
