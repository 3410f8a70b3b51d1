"""What a benchmark of quality came to: plain data, for reports and for disk."""

from dataclasses import dataclass, field

from sirius_cli.core.profile import Profile
from sirius_cli.core.statistics import Summary

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Interval:
    """``value`` with the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the token ids of generated answers compare with the baseline's.

    ``same`` of ``compared`` answers are equal to the last token; ``first_difference`` sums up the places, counted from
    0, at which the others part.
    """

    compared: int
    same: int
    first_difference: Summary | None


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method on one task.

    ``score`` is the task's main metric over ``items``, ``stderr`` lm-eval's standard error of it. ``difference`` is the
    score minus the baseline's on the same items, its interval from a paired bootstrap; None for the baseline itself.
    ``recovery`` is how much of what the draft alone had lost correction has brought back, (corrected - sparse) /
    (dense - sparse); None where nothing was lost or there is no draft alone beside it.
    ``aal`` is the micro-average, ``aal_by_request`` spreads it over answers; ``effective_density`` is the paper's,
    ``effective_read`` bytes of weights over those of dense decoding: both of the draft as it runs for a single text,
    whether or not these answers were made in a batch. ``mean_length`` is in tokens, ``seconds`` the wall time that the
    engine took for these items. ``advances`` counts checks by tokens committed; ``lengths`` are the answers' tokens in
    the order of the items. ``truncated`` prompts were too long and lost their beginning. ``looked_up`` is the fraction
    of all tokens that were found in the text, None for a method that does not look there. Figures of generation are
    None where a task only scores given texts.
    """

    method: str
    profile: Profile
    items: int
    score: float | None
    stderr: float | None
    difference: Interval | None
    recovery: float | None
    aal: float | None
    aal_by_request: Summary | None
    draft_density: float | None
    effective_density: float | None
    effective_read: float | None
    corrected_fraction: float | None
    mean_length: float | None
    agreement: Agreement | None
    seconds: float
    advances: tuple[tuple[int, int], ...] = ()
    lengths: tuple[int, ...] = ()
    truncated: int = 0
    looked_up: float | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task; the first of ``methods`` is the baseline.

    ``metric`` names the score as lm-eval does, "exact_match,flexible-extract"; ``scores`` has every metric by method.
    ``fewshot`` is the number of examples before each question.
    """

    task: str
    metric: str
    higher_is_better: bool
    fewshot: int
    methods: tuple[MethodResult, ...]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BenchResult:
    """A run of ``sirius bench --task``.

    ``settings`` are the options that decide about the answers, by name; ``versions`` maps a package (or "python") to
    its version; ``created`` is an ISO time; ``complete`` says whether every item that was asked for has been answered.
    """

    run: str
    created: str
    model: str
    device: str
    dtype: str
    settings: dict[str, str]
    versions: dict[str, str]
    complete: bool
    tasks: tuple[TaskResult, ...]
