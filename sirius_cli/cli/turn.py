"""One answer on its way to the user: shown, recorded, and its figures told."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sirius_cli.cli import diagnostics, interrupts, output, stream
from sirius_cli.cli.stream import Sink, TextView
from sirius_cli.core.events import StepEvent
from sirius_cli.core.trace import TraceWriter, event_to_json, header_to_json
from sirius_cli.errors import UsageError
from sirius_cli.services import answer as answers
from sirius_cli.services import recording
from sirius_cli.services.answer import Answer
from sirius_cli.services.session import Session


@dataclass(frozen=True, slots=True)
class Look:
    """How answers are shown and where they are recorded."""

    plain: bool = False
    as_json: bool = False
    jsonl: bool = False
    trace: Path | None = None
    colour: bool = True

    def __post_init__(self) -> None:
        if self.as_json and self.jsonl:
            raise UsageError("--json and --jsonl are two forms of the same output", "give one of them")
        if self.trace is not None:
            _check_place(self.trace)

    @property
    def for_machines(self) -> bool:
        """Whether a program reads standard output."""
        return self.as_json or self.jsonl

    @property
    def quiet(self) -> bool:
        """Whether progress stays hidden."""
        return self.plain or self.for_machines


@contextmanager
def recorders(look: Look, session: Session, origins: Mapping[str, str]) -> Iterator[list[Sink]]:
    """Open what records the events of ``session``: the trace file, the lines of ``--jsonl``."""
    header = recording.header(session, origins)
    sinks: list[Sink] = []
    with ExitStack() as stack:
        if look.trace is not None:
            sinks.append(stack.enter_context(TraceWriter(look.trace, header)).write)
        if look.jsonl:
            output.write_json_line(header_to_json(header))
            sinks.append(_write_event)
        _tell(sinks, session.engine.loaded)
        yield sinks


def play(session: Session, prompt: str, look: Look, sinks: list[Sink]) -> Answer:
    """Answer ``prompt``, show it as ``look`` says, tell its figures.

    The first Ctrl-C ends the answer, with reason ``cancelled``; the second raises KeyboardInterrupt.
    """
    view = TextView(stream.correction_style(colour=look.colour, plain=look.plain))
    shown: list[Sink] = sinks if look.for_machines else [*sinks, view]
    try:
        events = _run(session, prompt, shown, quiet=look.quiet)
    finally:
        view.end()
    answer = answers.collect(events, session.engine.dense_step_ms() if look.as_json else None)
    if look.as_json:
        output.write_json(_document(session, answer))
    if not look.for_machines:
        diagnostics.note(stream.figures(answer.metrics, answer.finish_reason))
    return answer


def _run(session: Session, prompt: str, sinks: list[Sink], *, quiet: bool) -> list[StepEvent]:
    seen: list[StepEvent] = []
    with interrupts.between_events() as interrupt, closing(session.ask(prompt, interrupt)) as events:
        for event in stream.with_status(events, "reading the prompt", plain=quiet):
            seen.append(event)
            _tell(sinks, event)
    return seen


def _tell(sinks: list[Sink], event: StepEvent) -> None:
    for sink in sinks:
        sink(event)


def _write_event(event: StepEvent) -> None:
    output.write_json_line(event_to_json(event))


def _document(session: Session, answer: Answer) -> dict[str, object]:
    engine = session.engine
    return answers.to_json(answer, model=engine.loaded.model, profile=engine.profile, decode=engine.tokens.decode)


def _check_place(path: Path) -> None:
    """Find a hopeless path before the model is loaded; the file is made when there is something to record."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"cannot write the trace {path}", "name a file in a folder that exists and is writable")
