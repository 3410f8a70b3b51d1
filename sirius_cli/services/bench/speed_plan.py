"""What a speed measurement is to do, and what it needs of an engine."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sirius_cli.core.events import Loaded, StepEvent
from sirius_cli.core.profile import DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.speed_advance import RecordedAdvance

DENSE_STEP = "dense step"


class Probe(Protocol):
    """Passes behind a text, each giving its seconds; see the engine's probe."""

    @property
    def cache_bytes(self) -> int: ...
    def dense_step(self) -> float: ...
    def check(self, tokens: int) -> float: ...
    def prefill(self, tokens: int) -> float: ...
    def drafts(self, spec: DraftSpec) -> Any: ...
    def draft_step(self, spec: DraftSpec, policy: Any) -> float: ...


class Tokens(Protocol):
    """The part of the tokenizer that is needed."""

    def encode(self, text: str, *, special: bool) -> list[int]: ...


class Engine(Protocol):
    """The part of the engine that is measured."""

    @property
    def loaded(self) -> Loaded: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def context(self) -> int: ...
    @property
    def weight_bytes(self) -> int: ...
    @property
    def token_cache_bytes(self) -> int: ...
    def read_bandwidth(self) -> float: ...
    def watch_memory(self) -> Callable[[], int]: ...
    def probe(self, depth: int, room: int) -> Probe: ...
    def twin(self, profile: Profile) -> "Engine": ...
    def forget(self) -> None: ...
    def generate(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = ...
    ) -> Generator[StepEvent, None, None]: ...


class Baseline(Protocol):
    """Another program with the same weights.

    ``decode`` gives so many ids after a prompt, and for each the seconds from the start to its arrival. ``reads_dense``
    tells whether a step reads the bytes that the engine's dense step does.
    """

    @property
    def name(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def reads_dense(self) -> bool: ...
    def decode(self, ids: Sequence[int], tokens: int) -> tuple[list[int], list[float]]: ...


@dataclass(frozen=True, slots=True)
class Decode:
    """A profile to decode with, and what its row is called."""

    name: str
    profile: Profile


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    """What to time.

    Single passes: prefills by length, and at each depth a dense step, draft steps, and checks by length. End to end:
    after each prompt of ``prefills`` tokens each number of ``decodes`` tokens, densely and with each of ``profiles``.
    ``advance`` is a recorded run whose windows are put together from measured passes. ``random_weights`` tells that
    those of the engine are.
    """

    prefills: tuple[int, ...] = (512,)
    depths: tuple[int, ...] = (512,)
    checks: tuple[int, ...] = (2, 4, 8, 16)
    drafts: tuple[DraftSpec, ...] = ()
    decodes: tuple[int, ...] = ()
    profiles: tuple[Decode, ...] = ()
    advance: RecordedAdvance | None = None
    random_weights: bool = False
    repetitions: int = 10
    warmups: int = 1

    def __post_init__(self) -> None:
        named = {"prompt": self.prefills, "depth": self.depths, "check": self.checks, "decode": self.decodes}
        for name, values in named.items():
            if any(value < 1 for value in values):
                raise UsageError(f"{name} lengths cannot be {list(values)}", "give numbers of 1 and more")
        if not self.depths:
            raise UsageError("there is no depth to measure at", "give --depth")
        if self.decodes and not self.prefills:
            raise UsageError("there is no prompt to decode after", "give --n-prompt")
        if self.repetitions < 1:
            raise UsageError(f"repetitions cannot be {self.repetitions}", "give 1 or more")
        if self.warmups < 0:
            raise UsageError(f"warm-ups cannot be {self.warmups}", "give 0 or more")

    @property
    def all_checks(self) -> tuple[int, ...]:
        """The lengths asked for and those that the recorded run needs."""
        needed = self.advance.check_lengths if self.advance else ()
        return tuple(sorted({*self.checks, *needed}))

    @property
    def all_drafts(self) -> tuple[DraftSpec, ...]:
        """The drafts asked for and that of the recorded run."""
        needed = (self.advance.profile.draft,) if self.advance else ()
        return tuple(dict.fromkeys((*self.drafts, *needed)))
