"""Conversations on disk: what is kept comes back, and neither a kill nor a full disk costs more than an answer."""

import errno
import json
import os
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirius_cli.core.request import GenerationRequest
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services import conversation_file
from sirius_cli.services.conversations import Conversations, Keeper, Turn, turn_of

EVENTS = tuple(FakeEngine().generate(GenerationRequest((1, 2))))
unhurried = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=30
)


@pytest.fixture
def store(tmp_path: Path) -> Conversations:
    return Conversations(tmp_path / "conversations")


def keeper(store: Conversations) -> Keeper:
    return Keeper(store, "builtin:smollm2", "sirius")


def path_of(store: Conversations) -> Path:
    (path,) = store.folder.iterdir()
    return path


def test_an_answer_is_kept_with_its_corrections_and_figures(store: Conversations) -> None:
    keeper(store).keep("hello", EVENTS, 10.0)
    conversation = store.newest()
    assert conversation is not None
    assert (conversation.header.model, conversation.header.profile) == ("builtin:smollm2", "sirius")
    (turn,) = conversation.turns
    assert (turn.prompt, turn.answer, turn.finish_reason) == ("hello", "Four legs good two legs better", "stop")
    (correction,) = turn.corrections
    assert turn.answer[correction.offset :].startswith(correction.text)
    assert (correction.index, correction.window, correction.text, correction.draft_text) == (4, 1, " legs", " legs?")
    assert (correction.p, correction.p_draft) == (0.8, 0.05)
    assert turn.metrics.committed_tokens == 6
    assert turn.metrics.check_cost_ratio == pytest.approx(5.0)


@unhurried
@given(st.lists(st.text(), min_size=1, max_size=4))
def test_what_was_kept_comes_back(tmp_path: Path, prompts: list[str]) -> None:
    store = Conversations(tmp_path / "conversations")
    one = keeper(store)
    for prompt in prompts:
        one.keep(prompt, EVENTS)
    assert one.id is not None
    conversation = store.load(one.id)
    assert list(conversation.turns) == [turn_of(prompt, EVENTS) for prompt in prompts]
    assert conversation.damage is None


def test_only_the_user_can_read_it(store: Conversations) -> None:
    keeper(store).keep("hello", EVENTS)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert path_of(store).stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_before_the_first_answer(store: Conversations) -> None:
    assert keeper(store).id is None
    assert not store.folder.exists()
    assert store.list() == []
    assert store.newest() is None


def test_the_list_begins_with_the_newest(store: Conversations) -> None:
    one = keeper(store)
    ids = []
    for number, prompt in enumerate(("first\x1b[2J\nline", "second", "third")):
        one.begin_anew()
        one.keep(prompt, EVENTS)
        ids.append(one.id)
        os.utime(store.folder / f"{one.id}.jsonl", (number, number))
    assert [listed.header.id for listed in store.list()] == ids[::-1]
    assert store.list()[-1].title == "first␛[2J line"
    one.go_on(ids[0])
    one.keep("again", EVENTS)
    newest = store.newest()
    assert newest is not None
    assert [turn.prompt for turn in newest.turns] == ["first\x1b[2J\nline", "again"]


def test_a_turn_can_be_taken_back(store: Conversations) -> None:
    one = keeper(store)
    one.take_back()
    for prompt in ("a", "b", "c"):
        one.keep(prompt, EVENTS)
    one.take_back()
    one.take_back()
    one.keep("d", EVENTS)
    conversation = store.newest()
    assert conversation is not None
    assert [turn.prompt for turn in conversation.turns] == ["a", "d"]


def test_removing(store: Conversations) -> None:
    one = keeper(store)
    one.keep("hello", EVENTS)
    assert one.id is not None
    store.remove(one.id)
    assert store.list() == []
    with pytest.raises(UsageError, match="there is no conversation"):
        store.remove(one.id)
    with pytest.raises(EnvironmentProblem, match="there is no conversation"):
        one.keep("hello", EVENTS)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "20261124-040500-xyz", "/etc/passwd"])
def test_an_id_is_no_path(store: Conversations, name: str) -> None:
    with pytest.raises(UsageError, match="there is no conversation"):
        store.load(name)


@pytest.mark.parametrize("cut", [1, 2, 50, 300])
def test_a_torn_last_line_costs_that_turn_and_no_later_one(store: Conversations, cut: int) -> None:
    one = keeper(store)
    for prompt in ("a", "b"):
        one.keep(prompt, EVENTS)
    path = path_of(store)
    path.write_bytes(path.read_bytes()[:-cut])
    kept = ["a", "b"] if cut == 1 else ["a"]
    conversation = store.newest()
    assert conversation is not None
    assert [turn.prompt for turn in conversation.turns] == kept
    assert (conversation.damage is None) == (cut == 1)
    one.keep("c", EVENTS)
    conversation = store.newest()
    assert conversation is not None
    assert [turn.prompt for turn in conversation.turns] == [*kept, "c"]
    assert conversation.damage in (None, f"{path}:3: not a turn; it is left out")


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"hello", b"\xff\xfe", b'{"event": "header", "schema_version": 1}\n']
)
def test_what_is_no_conversation_is_not_listed(store: Conversations, content: bytes) -> None:
    keeper(store).keep("hello", EVENTS)
    name = "20261124-040500-00000000"
    (store.folder / f"{name}.jsonl").write_bytes(content)
    (store.folder / "notes.jsonl").write_bytes(b"")
    assert [listed.title for listed in store.list()] == ["hello"]
    with pytest.raises(ModelError, match="is not a conversation"):
        store.load(name)


def test_a_newer_schema_is_refused_by_name(store: Conversations) -> None:
    keeper(store).keep("hello", EVENTS)
    path = path_of(store)
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2', 1))
    with pytest.raises(ModelError, match="has schema_version 2, this program reads 1"):
        store.load(path.stem)


def test_a_home_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = keeper(Conversations(tmp_path / "file" / "conversations"))
    with pytest.raises(EnvironmentProblem, match=r"cannot save conversations in .*: Not a directory"):
        one.keep("hello", EVENTS)
    one.keep("hello", EVENTS)
    one.take_back()


def test_a_disk_that_fills_up_leaves_whole_lines(store: Conversations, monkeypatch: pytest.MonkeyPatch) -> None:
    one = keeper(store)
    one.keep("a", EVENTS)
    before = path_of(store).read_bytes()
    write = os.write
    monkeypatch.setattr(conversation_file.os, "write", lambda fd, data: write(fd, data[:30]))
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        one.keep("b", EVENTS)
    assert path_of(store).read_bytes() == before


def test_a_conversation_that_cannot_be_begun_leaves_nothing(
    store: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(conversation_file.os, "replace", refuse)
    with pytest.raises(EnvironmentProblem, match="Input/output error"):
        keeper(store).keep("a", EVENTS)
    assert list(store.folder.iterdir()) == []


def test_lines_are_json_with_the_schema(store: Conversations) -> None:
    keeper(store).keep("hello", EVENTS)
    header, turn = map(json.loads, path_of(store).read_text().splitlines())
    assert (header["event"], header["schema_version"], turn["event"]) == ("header", 1, "turn")
    assert isinstance(turn_of("hello", EVENTS), Turn)
