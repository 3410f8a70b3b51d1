"""The figures of a run, as a fold over its events. Folding a recorded trace gives what the live run showed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sirius_cli.core.events import Checked, Committed, Drafted, Prefilled, StepEvent


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a run achieved. ``None`` stands where a figure is undefined, such as ``aal`` without checks.

    ``aal`` is the mean of ``advances``, the tokens committed by each check. ``looked_up`` is the fraction of the
    committed tokens that were found in the text and accepted: no draft step. ``draft_density`` is the fraction of all
    parameters that a draft step uses. ``effective_density`` (Zhou et al., arXiv 2409.03856) is the parameters used by
    all draft steps and checks over those that dense steps would have used for the same tokens. ``draft_read`` and
    ``effective_read`` are the same in bytes of weights read. The prefill and its token are in no advance,
    density or read. ``decode_tokens_per_second`` counts the tokens and the seconds after the first token.
    """

    committed_tokens: int
    checks: int
    aal: float | None
    draft_density: float | None
    draft_read: float | None
    effective_density: float | None
    effective_read: float | None
    corrected_fraction: float | None
    ttft_ms: float | None
    decode_tokens_per_second: float | None
    draft_step_ms: float | None
    check_ms: float | None
    check_cost_ratio: float | None
    advances: tuple[int, ...]
    looked_up: float | None = None


@dataclass(slots=True)
class Work:
    """Passes over the weights: counts, and cost in dense steps (``density`` by parameters, ``read`` by bytes)."""

    draft_steps: int = 0
    checks: int = 0
    density: float = 0.0
    read: float = 0.0
    draft_seconds: float = 0.0
    check_seconds: float = 0.0

    def draft(self, event: Drafted) -> None:
        if event.source == "lookup":
            return
        steps = event.passes
        self.draft_steps += steps
        self.density += steps * event.density
        self.read += steps * event.read
        self.draft_seconds += event.seconds

    def check(self, event: Checked) -> None:
        self.checks += 1
        self.check_seconds += event.seconds

    def add(self, other: "Work") -> None:
        self.draft_steps += other.draft_steps
        self.checks += other.checks
        self.density += other.density
        self.read += other.read
        self.draft_seconds += other.draft_seconds
        self.check_seconds += other.check_seconds


@dataclass(slots=True)
class Tally:
    """The sums of one answer: all that its figures need, and what is kept of it where events are too much.

    Answers of one ``generation`` were made side by side. Times are seconds since it began.
    """

    row: int = 0
    generation: int = 0
    work: Work = field(default_factory=Work)
    advances: list[int] = field(default_factory=list)
    committed: int = 0
    in_windows: int = 0
    corrections: int = 0
    looked_up: int = 0
    first_at: float | None = None
    last_at: float = 0.0

    def commit(self, event: Committed, work: Work) -> None:
        """Add the tokens of a window, and the work that they took."""
        tokens = len(event.tokens)
        self.committed += tokens
        self.in_windows += sum(token.origin != "prefill" for token in event.tokens)
        self.corrections += sum(token.origin == "correction" for token in event.tokens)
        self.looked_up += sum(token.origin == "lookup" for token in event.tokens)
        if work.checks:
            self.advances.append(tokens)
        self.work.add(work)
        self.first_at = event.at if self.first_at is None else self.first_at
        self.last_at = event.at


class MetricsFold:
    """Folds events one by one; ``metrics`` may be asked at any moment, and ``tallies`` are the sums by answer.

    A window counts once its tokens are committed, so that a figure never shows half of one. A second prefill of a
    row begins its next answer.
    """

    def __init__(self) -> None:
        self.tallies: list[Tally] = []
        self._current: dict[int, Tally] = {}
        self._pending: dict[int, Work] = {}
        self._generation = 0

    def add(self, event: StepEvent) -> None:
        """Take the next event."""
        match event:
            case Prefilled():
                self._begin(event.row)
            case Drafted():
                self._work(event.row).draft(event)
            case Checked():
                self._work(event.row).check(event)
            case Committed():
                self.tally(event.row).commit(event, self._pending.pop(event.row, Work()))

    def metrics(self, *, row: int | None = None, dense_step_ms: float | None = None) -> Metrics:
        """The figures so far of one ``row``, or of all rows together (micro-average).

        ``dense_step_ms`` is the time of one dense decode step, which ``check_cost_ratio`` needs.
        """
        return combine([tally for tally in self.tallies if row is None or tally.row == row], dense_step_ms)

    def tally(self, row: int) -> Tally:
        """The sums of the answer that ``row`` is making, or made last."""
        return self._current.get(row) or self._begin(row)

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows seen, in ascending order."""
        return tuple(sorted({tally.row for tally in self.tallies}))

    def _begin(self, row: int) -> Tally:
        if row in self._current:
            self._generation += 1
            self._current.clear()
            self._pending.clear()
        tally = Tally(row, self._generation)
        self.tallies.append(tally)
        self._current[row] = tally
        return tally

    def _work(self, row: int) -> Work:
        """What was done for a window that has committed nothing yet."""
        self.tally(row)
        return self._pending.setdefault(row, Work())


def fold(events: Iterable[StepEvent], *, dense_step_ms: float | None = None) -> Metrics:
    """The figures of all ``events`` together."""
    state = MetricsFold()
    for event in events:
        state.add(event)
    return state.metrics(dense_step_ms=dense_step_ms)


def combine(answers: Sequence[Tally], dense_step_ms: float | None = None) -> Metrics:
    """The figures of ``answers`` together (micro-average)."""
    work = Work()
    for answer in answers:
        work.add(answer.work)
    advances = tuple(advance for answer in answers for advance in answer.advances)
    committed = sum(answer.committed for answer in answers)
    in_windows = sum(answer.in_windows for answer in answers)
    check_ms = _ratio(1000 * work.check_seconds, work.checks)
    return Metrics(
        committed_tokens=committed,
        checks=work.checks,
        aal=_ratio(sum(advances), work.checks),
        draft_density=_ratio(work.density, work.draft_steps),
        draft_read=_ratio(work.read, work.draft_steps),
        effective_density=_ratio(work.density + work.checks, in_windows),
        effective_read=_ratio(work.read + work.checks, in_windows),
        corrected_fraction=_ratio(sum(answer.corrections for answer in answers), committed),
        ttft_ms=_ttft_ms(answers),
        decode_tokens_per_second=_decode_rate(answers),
        draft_step_ms=_ratio(1000 * work.draft_seconds, work.draft_steps),
        check_ms=check_ms,
        check_cost_ratio=check_ms / dense_step_ms if check_ms is not None and dense_step_ms else None,
        advances=advances,
        looked_up=_ratio(sum(answer.looked_up for answer in answers), committed),
    )


def _ttft_ms(answers: Sequence[Tally]) -> float | None:
    times = [1000 * answer.first_at for answer in answers if answer.first_at is not None]
    return _ratio(sum(times), len(times))


def _decode_rate(answers: Sequence[Tally]) -> float | None:
    """Rows of one generation run side by side, generations one after another."""
    spans: dict[int, tuple[float, float]] = {}
    after_first = 0
    for answer in answers:
        if answer.first_at is None:
            continue
        start, end = spans.get(answer.generation, (answer.first_at, answer.last_at))
        spans[answer.generation] = (min(start, answer.first_at), max(end, answer.last_at))
        after_first += answer.committed - 1
    return _ratio(after_first, sum(end - start for start, end in spans.values()))


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None
