"""Lets an engine answer many prompts, in batches over one shared beginning."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, Protocol

from sirius_cli.core.events import Committed, Finished, Prefilled, StepEvent
from sirius_cli.core.metrics import MetricsFold, Tally
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.errors import UsageError
from sirius_cli.services.answer import text_of
from sirius_cli.services.bench.quality.samples import Written


class Engine(Protocol):
    """The part of the engine that answers benchmarks."""

    profile: Profile

    @property
    def loaded(self) -> Any: ...
    @property
    def tokens(self) -> Any: ...
    @property
    def context(self) -> int: ...
    @property
    def draft_cost(self) -> Any: ...
    def twin(self, profile: Profile) -> "Engine": ...
    def generate_batch(
        self, requests: Sequence[GenerationRequest], *, prefix: Sequence[int] = (), places: int | None = None
    ) -> Generator[StepEvent, None, None]: ...
    def score(
        self, context: Sequence[int], continuations: Sequence[Sequence[int]], *, prefix: Sequence[int] = ()
    ) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt to answer; ``key`` names it in the store."""

    key: str
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    sampling: SamplingSpec = field(default_factory=SamplingSpec)


def answer_all(
    engine: Engine,
    jobs: Sequence[Job],
    *,
    batch: int | None,
    tell: Callable[[Written], None],
    clock: Callable[[], float],
) -> None:
    """Answer ``jobs``, ``batch`` side by side (None: as many as pay), and ``tell`` each as soon as it is finished.

    A prompt that does not leave room for its answer loses its beginning, as in lm-eval.

    Raises:
        SiriusError: from the engine.
    """
    prefix = shared_prefix([job.prompt_ids for job in jobs])
    asked = [(job, _request(engine, job)) for job in jobs]
    sharing = [pair for pair in asked if pair[1].prompt_ids[: len(prefix)] == prefix != pair[1].prompt_ids]
    others = [pair for pair in asked if pair not in sharing]
    for group, beginning in ((sharing, prefix), (others, ())):
        if group:
            events = engine.generate_batch([request for _, request in group], prefix=beginning, places=batch)
            for sample in _collect(engine, group, events, clock):
                tell(sample)


def shared_prefix(prompts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """What all ``prompts`` begin with, and go on behind. Nothing to share gives ``()``."""
    if len(prompts) < 2:
        return ()
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))


def _request(engine: Engine, job: Job) -> GenerationRequest:
    room = engine.context - job.max_new_tokens
    if room < 1:
        message = f"answers of {job.max_new_tokens} tokens leave no room for a prompt in a context of {engine.context}"
        raise UsageError(message, "choose a model with a longer context")
    prompt = job.prompt_ids[-room:]
    return GenerationRequest(prompt, max_new_tokens=job.max_new_tokens, sampling=job.sampling, stop=job.stop)


class _Clock:
    """Divides the time that passes among the rows that are at work: a prefill is one's own, the rest is shared."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._at = clock, clock()
        self._shares: dict[int, float] = {}

    def begin(self, row: int) -> None:
        """``row`` has just been prefilled, and nothing else was done since the last call."""
        self._shares[row] = self._passed()

    def finish(self, row: int) -> float:
        """The seconds that ``row`` took of the engine."""
        passed = self._passed()
        for live in self._shares:
            self._shares[live] += passed / len(self._shares)
        return self._shares.pop(row)

    def _passed(self) -> float:
        before, self._at = self._at, self._clock()
        return self._at - before


def _collect(
    engine: Engine,
    asked: Sequence[tuple[Job, GenerationRequest]],
    events: Iterator[StepEvent],
    clock: Callable[[], float],
) -> Iterator[Written]:
    """Fold the events of a batch into a sample for each row, as it finishes."""
    state, time = MetricsFold(), _Clock(clock)
    texts, ids = [""] * len(asked), [list[int]() for _ in asked]
    for event in events:
        state.add(event)
        match event:
            case Prefilled():
                time.begin(event.row)
            case Committed():
                texts[event.row] += text_of(event)
                ids[event.row] += [token.token_id for token in event.tokens]
            case Finished():
                row = event.row
                job, request = asked[row]
                yield Written(
                    key=job.key,
                    text=texts[row] + text_of(event),
                    token_ids=tuple(ids[row]),
                    finish_reason=event.reason,
                    prompt_tokens=len(request.prompt_ids),
                    truncated=len(request.prompt_ids) < len(job.prompt_ids),
                    seconds=time.finish(row),
                    tally=_as_alone(engine, state.tally(row)),
                )


def _as_alone(engine: Engine, tally: Tally) -> Tally:
    """The tally of a row, its draft's reads as on a single text: a batch masks what it computes, for throughput."""
    cost = engine.draft_cost
    read = tally.work.draft_steps * cost.read if cost is not None else 0.0
    return replace(tally, row=0, work=replace(tally.work, read=read))
