"""What an inspection knows of recorded runs: plain data, folded from their events."""

from dataclasses import dataclass
from itertools import chain

from sirius_cli.core.events import FinishReason, Origin, Source, StepEvent
from sirius_cli.core.metrics import Metrics, fold
from sirius_cli.core.trace import TraceHeader
from sirius_cli.services.inspection.token_classes import TokenClass


@dataclass(frozen=True, slots=True)
class Correction:
    """A committed dense token that replaced another, drafted one.

    ``index`` is its place in the answer, from 0; ``position`` its place in the window, from 1 as drafted tokens are
    counted; ``drafted`` how many tokens the window had. ``p`` and ``p_draft`` are dense probabilities of the dense and
    of the draft's token, ``margin`` their difference, ``q`` the draft's own probability of its token, ``entropy`` the
    dense model's, in nats. ``before`` and ``after`` are the text around it, ``activity`` that of the layers in the
    window's check, ``source`` what had drafted the refused token, ``nodes`` how many tokens the window had if it was a
    tree, 0 of a chain. What was not recorded is None or empty.
    """

    run: str
    request: int
    index: int
    window: int
    position: int
    drafted: int
    draft_id: int | None
    draft: str
    dense_id: int
    dense: str
    p_draft: float | None
    p: float
    q: float | None
    margin: float | None
    entropy: float | None
    token_class: TokenClass
    draft_class: TokenClass
    before: str
    after: str
    activity: tuple[float, ...]
    source: Source = "draft"
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A committed token. ``text`` is what committing it released, ``own`` its own text as far as the trace tells."""

    token_id: int
    text: str
    own: str
    origin: Origin
    p: float
    window: int
    correction: Correction | None


@dataclass(frozen=True, slots=True)
class Window:
    """A window whose tokens were committed. ``accepted`` is None without a check.

    ``work`` is its cost in dense steps: the densities of its draft steps, and 1 for a check. ``nodes`` are the drafted
    tokens of a tree that is ``drafted`` deep, 0 of a chain.
    """

    number: int
    drafted: int
    accepted: int | None
    committed: int
    work: float
    activity: tuple[float, ...]
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One answer. ``number`` counts a run's answers from 1; ``finish_reason`` is None where the trace broke off."""

    run: str
    number: int
    row: int
    prompt_tokens: int
    tokens: tuple[Token, ...]
    tail: str
    finish_reason: FinishReason | None
    error: str
    windows: tuple[Window, ...]
    events: tuple[StepEvent, ...]

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """Its corrections, as they stand in the text."""
        return tuple(token.correction for token in self.tokens if token.correction is not None)

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(token.text for token in self.tokens) + self.tail


@dataclass(frozen=True, slots=True)
class Run:
    """One trace. ``damage`` says where it broke off, if it did."""

    name: str
    header: TraceHeader
    requests: tuple[Request, ...]
    damage: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """Runs that are looked at together. ``problems`` are sentences about what could not be read."""

    runs: tuple[Run, ...]
    problems: tuple[str, ...] = ()

    @property
    def requests(self) -> tuple[Request, ...]:
        """The answers of all runs."""
        return tuple(chain.from_iterable(run.requests for run in self.runs))

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """The corrections of all runs."""
        return tuple(chain.from_iterable(request.corrections for request in self.requests))


def metrics_of(requests: tuple[Request, ...]) -> Metrics:
    """The figures of ``requests`` together (micro-average)."""
    return fold(chain.from_iterable(request.events for request in requests))
