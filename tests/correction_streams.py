"""Recorded answers made by hand: words are tokens, corrections stand where they are asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from zlib import crc32

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Finished,
    Loaded,
    Prefilled,
    StepEvent,
)
from sirius_cli.core.profile import Profile
from sirius_cli.core.trace import Trace, TraceHeader, TraceWriter
from sirius_cli.services.inspection.facts import Inspection
from sirius_cli.services.inspection.folding import run_of

HEADER = TraceHeader("builtin:smollm2", "cpu", Profile(name="sirius"), versions={"sirius-llm": "0.1.0"})
LOADED = Loaded("builtin:smollm2", "cpu", "float32", 134_515_008, 0.5, {"mlp": "numba"})
TEXT = (
    "A train leaves at 9 and runs 60 miles an hour for 3 hours , so it covers 60 * 3 = 180 miles .\n"
    "A second train runs 45 miles an hour for 4 hours : 45 * 4 = 180 miles as well .\n"
    "Both cover the same way , but the first is there an hour earlier , at 12 o'clock ."
)
WRONG = {4: " 8", 10: " second", 19: " +", 22: " 160", 31: " km", 41: " -", 43: " 175", 55: " other", 64: " 11"}


def words_of(text: str) -> list[str]:
    """Words with the blank before them, line ends apart."""
    return [word for line in text.split("\n") for word in [*(f" {w}" for w in line.split()), "\n"]][:-1]


def answer(
    words: Sequence[str] = tuple(words_of(TEXT)),
    wrong: Mapping[int, str] = WRONG,
    *,
    row: int = 0,
    prompt: int = 24,
    window: int = 8,
) -> Iterator[StepEvent]:
    """The events of one answer. ``wrong`` maps the index of a word to what the draft wanted there."""
    ids = {word: crc32(word.encode()) % 50_000 for word in [*words, *wrong.values()]}
    yield Prefilled(row, 0.2, prompt, 0, 0.2)
    yield Committed(row, 0.2, 0, (CommittedToken(ids[words[0]], words[0], "prefill", 0.9),))
    start, at, number = 1, 0.2, 0
    while start < len(words):
        number, at = number + 1, at + 0.1
        drafts = [wrong.get(i, words[i]) for i in range(start, min(start + window - 1, len(words)))]
        kept = next((n for n in range(len(drafts)) if start + n in wrong), len(drafts))
        for place, word in enumerate(drafts):
            sure = round(0.95 - 0.03 * place, 3)
            yield Drafted(row, at, number, (ids[word],), (word,), (sure,), 0.62, 0.6, 0.01)
        layers = tuple(round(0.1 + 0.02 * layer, 3) for layer in range(4))
        yield Checked(row, at, number, len(drafts), kept, len(drafts) < window - 1, 0.02, layers)
        tokens = [CommittedToken(ids[w], w, "draft", 0.8) for w in words[start : start + kept]]
        last = start + kept
        if kept < len(drafts):
            want = wrong[last]
            tokens.append(CommittedToken(ids[words[last]], words[last], "correction", 0.7, ids[want], want, 0.04, 1.25))
        elif last < len(words):
            tokens.append(CommittedToken(ids[words[last]], words[last], "bonus", 0.9))
        yield Committed(row, at, number, tuple(tokens))
        start = last + 1
    yield Finished(row, at, "stop", "")


def copied(row: int = 0) -> Iterator[StepEvent]:
    """A window of a drafted token and three that were looked up, of which the second is refused."""
    yield Prefilled(row, 0.1, 3, 0, 0.1)
    yield Committed(row, 0.1, 0, (CommittedToken(1, " a", "prefill", 0.5),))
    yield Drafted(row, 0.2, 1, (2,), (" b",), (0.9,), 0.5, 0.5, 0.1)
    yield Drafted(row, 0.2, 1, (3, 4, 5), (" c", " d", " e"), (1.0,) * 3, 0.0, 0.0, 0.001, "lookup")
    yield Checked(row, 0.3, 1, 4, 2, False, 0.1)
    last = CommittedToken(6, " f", "correction", 0.7, 4, " d", 0.1, 0.5)
    kept = (CommittedToken(2, " b", "draft", 0.8), CommittedToken(3, " c", "lookup", 0.8))
    yield Committed(row, 0.3, 1, (*kept, last))
    yield Finished(row, 0.4, "length", "")


def branched(row: int = 0) -> Iterator[StepEvent]:
    """A tree of six nodes, two deep: one token of a path is kept, the next corrected."""
    yield Prefilled(row, 0.1, 3, 0, 0.1)
    yield Committed(row, 0.1, 0, (CommittedToken(1, " a", "prefill", 0.5),))
    for at in (0.2, 0.3):
        yield Drafted(row, at, 1, (), (), (), 0.5, 0.4, 0.1, steps=1, nodes=3)
    yield Drafted(row, 0.3, 1, (2, 3), (" b", " c"), (0.9, 0.4), 0.5, 0.4, 0.0, steps=0)
    yield Checked(row, 0.4, 1, 2, 1, False, 0.1, nodes=6)
    last = CommittedToken(4, " d", "correction", 0.7, 3, " c", 0.1, 0.5)
    yield Committed(row, 0.4, 1, (CommittedToken(2, " b", "draft", 0.8), last))
    yield Finished(row, 0.5, "length", "")


def inspection(*answers: Iterable[StepEvent], name: str = "run", header: TraceHeader = HEADER) -> Inspection:
    """One run of these answers."""
    events = tuple(event for one in answers or (answer(),) for event in one)
    return Inspection((run_of(name, Trace(header, events, None)),))


def record(path: Path, *answers: Iterable[StepEvent], header: TraceHeader = HEADER) -> Path:
    """Write a trace of these answers."""
    with TraceWriter(path, header) as writer:
        writer.write(LOADED)
        for one in answers or (answer(),):
            for event in one:
                writer.write(event)
    return path
