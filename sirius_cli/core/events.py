"""The events of a generation: everything that front ends, traces and metrics know about a run.

``row`` is the request's place in its batch; ``at`` is seconds since the generation began (monotonic clock).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

Origin = Literal["prefill", "dense", "draft", "lookup", "correction", "bonus"]
Source = Literal["draft", "lookup"]
FinishReason = Literal["stop", "length", "context", "cancelled"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model is in memory."""

    kind: ClassVar[str] = "loaded"
    model: str
    device: str
    dtype: str
    parameters: int
    seconds: float
    ops: dict[str, str]


@dataclass(frozen=True, slots=True)
class Prefilled:
    """The prompt is in the KV cache; ``reused_tokens`` of it already were."""

    kind: ClassVar[str] = "prefilled"
    row: int
    at: float
    prompt_tokens: int
    reused_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """From ``window`` on, windows have ``size`` tokens, the check's own included; 1 is dense decoding.

    ``reason`` says why. As far as they were reckoned with, ``draft`` is the cost of a draft step over that of a dense
    step, ``accepted`` how likely a drafted token is accepted, ``speedup`` what the size promises over dense decoding.
    """

    kind: ClassVar[str] = "planned"
    row: int
    at: float
    window: int
    size: int
    reason: str
    draft: float | None = None
    accepted: float | None = None
    speedup: float | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """The draft wrote ``token_ids`` in ``len(token_ids)`` cheap steps. A window has several of these.

    ``probabilities`` are the draft's own for each token. ``density`` is the fraction of all parameters that a step
    uses, ``read`` the bytes of weights that a step reads over those of a dense step. Tokens whose ``source`` is
    "lookup" were found in the text, all at once and last in their window: no weights, and 1 for each probability.

    Of a tree, every step is told as it is taken, with the number of ``nodes`` that it added and no tokens, for which of
    them the text goes on with is open. Once that is checked, the path follows, with ``steps`` 0: it has been told.
    ``steps`` None stands for one a token.
    """

    kind: ClassVar[str] = "drafted"
    row: int
    at: float
    window: int
    token_ids: tuple[int, ...]
    texts: tuple[str, ...]
    probabilities: tuple[float, ...]
    density: float
    read: float
    seconds: float
    source: Source = "draft"
    steps: int | None = None
    nodes: int = 0

    @property
    def passes(self) -> int:
        """Passes over the weights of the draft."""
        if self.source == "lookup":
            return 0
        return len(self.token_ids) if self.steps is None else self.steps


@dataclass(frozen=True, slots=True)
class Checked:
    """One dense pass over a window: ``accepted`` of ``drafted`` tokens are kept.

    ``short`` marks a window that is smaller than the profile or the plan says: a drafted stop, the length limit, the
    context or the draft's own doubt ended it early. ``activity`` tells for each layer how many of its neurons share its
    work on the committed tokens: the participation ratio ``(sum h^2)^2 / (F sum h^4)`` of the hidden activations,
    averaged over tokens; empty where the check did not look. Of a tree ``nodes`` drafted tokens were checked, 0 of a
    chain; then ``drafted`` is the depth of the tree, and the path that was kept may have ended before.
    """

    kind: ClassVar[str] = "checked"
    row: int
    at: float
    window: int
    drafted: int
    accepted: int
    short: bool
    seconds: float
    activity: tuple[float, ...] = ()
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class CommittedToken:
    """One final token.

    ``origin`` "draft" and "lookup" are drafted tokens that were accepted, by what had drafted them.
    ``text`` is what committing it released: empty while a split character or a possible stop string is held back.
    ``p`` is the dense model's probability of the token (temperature 1; the draft's own without a check). For a
    correction, ``draft_*`` tell what the draft had wanted, ``p_draft`` the dense probability of that, and ``entropy``
    how unsure the dense model was there, in nats.
    """

    token_id: int
    text: str
    origin: Origin
    p: float
    draft_id: int | None = None
    draft_text: str | None = None
    p_draft: float | None = None
    entropy: float | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """Tokens became final."""

    kind: ClassVar[str] = "committed"
    row: int
    at: float
    window: int
    tokens: tuple[CommittedToken, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete. ``tail`` is text that was held back until now."""

    kind: ClassVar[str] = "finished"
    row: int
    at: float
    reason: FinishReason
    tail: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine could not go on."""

    kind: ClassVar[str] = "failed"
    row: int
    at: float
    error: str
    hint: str


StepEvent = Loaded | Prefilled | Planned | Drafted | Checked | Committed | Finished | Failed
EVENT_TYPES: dict[str, type[StepEvent]] = {
    cls.kind: cls for cls in (Loaded, Prefilled, Planned, Drafted, Checked, Committed, Finished, Failed)
}
