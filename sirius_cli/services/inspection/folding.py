"""From the events of a trace to its answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Failed,
    Finished,
    Loaded,
    Prefilled,
    Source,
    StepEvent,
)
from sirius_cli.core.trace import Trace
from sirius_cli.services.inspection.facts import Correction, Request, Run, Token, Window
from sirius_cli.services.inspection.token_classes import classify

_CONTEXT = 40  # characters on either side of a correction
_Draft = tuple[float | None, Source]  # the draft's own probability of a token, and where it had it from
_UNDRAFTED: _Draft = (None, "draft")


@dataclass(slots=True)
class _Pending:
    """A window that has committed nothing yet."""

    texts: list[str] = field(default_factory=list)
    drafts: list[_Draft] = field(default_factory=list)
    work: float = 0.0
    checked: Checked | None = None

    def draft(self, event: Drafted) -> None:
        self.texts += event.texts
        self.drafts += [(probability, event.source) for probability in event.probabilities]
        self.work += event.passes * event.density

    @property
    def drafted(self) -> int:
        return len(self.texts) if self.checked is None else self.checked.drafted

    def closed(self, committed: Committed) -> Window:
        check = self.checked
        return Window(
            number=committed.window,
            drafted=self.drafted,
            accepted=None if check is None else check.accepted,
            committed=len(committed.tokens),
            work=self.work + (check is not None),
            activity=() if check is None else check.activity,
            nodes=0 if check is None else check.nodes,
        )


@dataclass(slots=True)
class _Open:
    """An answer in the making."""

    row: int
    prompt_tokens: int = 0
    pending: _Pending = field(default_factory=_Pending)
    windows: list[Window] = field(default_factory=list)
    committed: list[tuple[CommittedToken, Window, _Draft]] = field(default_factory=list)
    finished: Finished | None = None
    failed: Failed | None = None
    events: list[StepEvent] = field(default_factory=list)

    def take(self, event: StepEvent) -> None:
        self.events.append(event)
        match event:
            case Prefilled():
                self.prompt_tokens = event.prompt_tokens
            case Drafted():
                self.pending.draft(event)
            case Checked():
                self.pending.checked = event
            case Committed():
                self._commit(event)
            case Finished():
                self.finished = event
            case Failed():
                self.failed = event

    def _commit(self, event: Committed) -> None:
        window, drafts = self.pending.closed(event), self.pending.drafts
        if self.pending.texts or self.pending.checked:
            self.windows.append(window)
        for place, token in enumerate(event.tokens):
            self.committed.append((token, window, drafts[place] if place < len(drafts) else _UNDRAFTED))
        self.pending = _Pending()


def run_of(name: str, trace: Trace) -> Run:
    """Fold a trace. Every second prefill of a row begins its next answer."""
    answers: list[_Open] = []
    current: dict[int, _Open] = {}
    for event in trace.events:
        if isinstance(event, Loaded):
            continue
        if isinstance(event, Prefilled) or event.row not in current:
            current[event.row] = _Open(event.row)
            answers.append(current[event.row])
        current[event.row].take(event)
    own = _own_texts(trace.events)
    requests = tuple(_request(name, number, answer, own) for number, answer in enumerate(answers, start=1))
    return Run(name, trace.header, requests, trace.damage)


def _own_texts(events: Iterable[StepEvent]) -> dict[int, str]:
    """The text of every token that was ever drafted, on its own."""
    found: dict[int, str] = {}
    for event in events:
        if isinstance(event, Drafted):
            found.update(zip(event.token_ids, event.texts, strict=False))
        elif isinstance(event, Committed):
            found.update((t.draft_id, t.draft_text) for t in event.tokens if t.draft_id is not None and t.draft_text)
    return found


def _request(run: str, number: int, answer: _Open, own: Mapping[int, str]) -> Request:
    tail = answer.finished.tail if answer.finished else ""
    text = "".join(token.text for token, _, _ in answer.committed) + tail
    tokens, offset, in_window = [], 0, 0
    for index, (token, window, draft) in enumerate(answer.committed):
        in_window = in_window + 1 if index and answer.committed[index - 1][1] is window else 1
        end = offset + len(token.text)
        around = (text[max(0, offset - _CONTEXT) : offset], text[end : end + _CONTEXT])
        place = (run, number, index, window.number, in_window, window.drafted)
        tokens.append(_token(token, window, draft, place, around, own))
        offset = end
    return Request(
        run=run, number=number, row=answer.row, prompt_tokens=answer.prompt_tokens, tokens=tuple(tokens), tail=tail,
        finish_reason=answer.finished.reason if answer.finished else None,
        error=answer.failed.error if answer.failed else "",
        windows=tuple(answer.windows), events=tuple(answer.events),
    )  # fmt: skip


def _token(
    token: CommittedToken,
    window: Window,
    draft: _Draft,
    place: tuple[str, int, int, int, int, int],
    around: tuple[str, str],
    own: Mapping[int, str],
) -> Token:
    text = own.get(token.token_id) or token.text
    correction = None
    if token.origin == "correction":
        wanted, (sure, source) = token.draft_text or "", draft
        margin = None if token.p_draft is None else token.p - token.p_draft
        correction = Correction(
            *place, token.draft_id, wanted, token.token_id, text or f"#{token.token_id}", token.p_draft, token.p, sure,
            margin, token.entropy, classify(text), classify(wanted), *around, window.activity,
            source, window.nodes,
        )  # fmt: skip
    return Token(token.token_id, token.text, text, token.origin, token.p, window.number, correction)
