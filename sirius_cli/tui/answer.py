"""One answer in the making: a fold over its events that costs the same for every token."""

from dataclasses import dataclass
from typing import Literal

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Failed,
    Finished,
    FinishReason,
    Planned,
    Prefilled,
    StepEvent,
)
from sirius_cli.core.metrics import Metrics, MetricsFold
from sirius_cli.core.plans import brief
from sirius_cli.core.profile import Profile
from sirius_cli.tui.panel import Figures, Panel, WindowCell
from sirius_cli.tui.series import Rolling, Series

AnswerPhase = Literal["waiting", "prefill", "drafting", "checking", "decoding", "finished", "cancelled", "error"]
_ENDED = ("finished", "cancelled", "error")
_CALM = 0.3
"""How much the newest check counts in the activity shown: single windows flicker."""


@dataclass(frozen=True, slots=True)
class Said:
    """A committed token and the window it fell in."""

    token: CommittedToken
    window: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an answer or the engine could not go on. Both texts may come from anywhere."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What a panel tells of the model besides an answer. ``dense_step_ms`` is the time of one dense step."""

    model: str = ""
    context: int | None = None
    memory: int | None = None
    dense_step_ms: float | None = None


class AnswerFold:
    """Folds the events of one answer. ``version`` grows with each; what was committed only ever grows too.

    ``drafted`` are the tokens after it that no check has judged. ``events`` are all that were folded.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self.profile = profile
        self.version = 0
        self.events: list[StepEvent] = []
        self.said: list[Said] = []
        self.corrections: list[int] = []
        self.drafted: list[str] = []
        self.closing = ""
        self.phase: AnswerPhase = "waiting"
        self.reason: FinishReason | None = None
        self.trouble: Trouble | None = None
        self.prompt_tokens = 0
        self._plan: Planned | None = None
        self._metrics = MetricsFold()
        self._charts = _Charts()

    @property
    def ended(self) -> bool:
        """Whether no event will come any more."""
        return self.phase in _ENDED

    @property
    def text(self) -> str:
        """All committed text."""
        return "".join(said.token.text for said in self.said) + self.closing

    @property
    def metrics(self) -> Metrics:
        """The figures so far."""
        return self._metrics.metrics()

    def add(self, event: StepEvent) -> None:
        """Take the next event."""
        self.version += 1
        self.events.append(event)
        self._metrics.add(event)
        self._charts.add(event)
        match event:
            case Prefilled():
                self.prompt_tokens, self.phase = event.prompt_tokens, "prefill"
            case Planned():
                self._plan = event
                self._judged()
            case Drafted():
                self.drafted.extend(event.texts)
                self._charts.certainty *= _product(event.probabilities)
                over = event.source == "lookup" or self._draft_is_over()
                self.phase = "checking" if over else "drafting"
            case Checked():
                self._judged()
            case Committed():
                self._commit(event)
            case Finished():
                self._end("cancelled" if event.reason == "cancelled" else "finished")
                self.reason = event.reason
                self.closing += event.tail
            case Failed():
                self.fail(Trouble(event.error, event.hint))

    def begin(self) -> None:
        """The engine has turned to this question."""
        if self.phase == "waiting":
            self.phase = "prefill"
            self.version += 1

    def fail(self, trouble: Trouble) -> None:
        """End without an answer."""
        self.trouble = trouble
        self.version += 1
        self._end("error")

    def panel(self, about: About) -> Panel:
        """What the right-hand side shows of this answer."""
        charts, metrics = self._charts, self.metrics
        return Panel(
            read=charts.read.points,
            draft_read=metrics.draft_read,
            rate=charts.rate.points,
            dense_rate=1000 / about.dense_step_ms if about.dense_step_ms else None,
            windows=tuple(charts.windows),
            activity=charts.activity,
            figures=self._figures(metrics, about),
        )

    def _judged(self) -> None:
        self.drafted.clear()
        self._charts.certainty = 1.0
        self.phase = "drafting" if self._drafts else "decoding"

    def _commit(self, event: Committed) -> None:
        self._judged()
        for token in event.tokens:
            if token.origin == "correction":
                self.corrections.append(len(self.said))
            self.said.append(Said(token, event.window))

    def _end(self, phase: AnswerPhase) -> None:
        self.drafted.clear()
        self.phase = phase

    @property
    def _drafts(self) -> bool:
        planned_dense = self._plan is not None and self._plan.size == 1
        return not planned_dense and (self.profile is None or self.profile.drafts)

    def _draft_is_over(self) -> bool:
        """No event tells that a check begins; it does once a window is full or the draft doubts itself."""
        if self.profile is None or not self.profile.corrects:
            return False
        full = self._window is not None and len(self.drafted) >= self._window - 1
        return full or self._charts.certainty < self.profile.correction.confidence

    @property
    def _window(self) -> int | None:
        """The size of the newest window; None where none is checked, or none planned yet."""
        if self._plan is not None:
            return self._plan.size
        window = self.profile.correction.window if self.profile and self.profile.corrects else None
        return None if window == "auto" else window

    def _figures(self, metrics: Metrics, about: About) -> Figures:
        profile = self.profile
        return Figures(
            model=about.model,
            method=_method(profile) if profile else "",
            rule=_rule(profile) if profile else "",
            window=self._window,
            plan=brief(self._plan) if self._plan else "",
            aal=metrics.aal if self._charts.windows else None,
            corrected=metrics.corrected_fraction,
            ttft_ms=metrics.ttft_ms,
            tokens=len(self.said),
            tokens_per_second=metrics.decode_tokens_per_second,
            effective_density=metrics.effective_density,
            effective_read=metrics.effective_read,
            context_used=self.prompt_tokens + len(self.said),
            context=about.context,
            memory=about.memory,
        )


class _Charts:
    """The lines, the windows and the layers. A window's work counts once its tokens are committed."""

    def __init__(self) -> None:
        self.read = Series()
        self.rate = Series()
        self.windows: list[WindowCell] = []
        self.activity: tuple[float, ...] = ()
        self.certainty = 1.0
        self._rolling_read = Rolling()
        self._rolling_rate = Rolling()
        self._cost = 0.0
        self._checked: Checked | None = None
        self._last_at: float | None = None
        self._tokens = 0

    def add(self, event: StepEvent) -> None:
        match event:
            case Drafted():
                self._cost += event.passes * event.read
            case Checked():
                self._cost += 1.0
                self._checked = event
                self._blend(event.activity)
            case Committed():
                self._commit(event)

    def _commit(self, event: Committed) -> None:
        count = len(event.tokens)
        self._tokens += count
        if self._last_at is not None and count:
            self._sample(self.read, self._rolling_read.add(count, self._cost, count))
            self._sample(self.rate, self._rolling_rate.add(count, count, event.at - self._last_at))
        if self._checked is not None and self._checked.drafted:
            self.windows.append(_cell(self._checked, event))
        self._last_at, self._cost, self._checked = event.at, 0.0, None

    def _sample(self, series: Series, value: float | None) -> None:
        if value is not None:
            series.add(self._tokens, value)

    def _blend(self, activity: tuple[float, ...]) -> None:
        if not activity:  # this check did not look
            return
        if len(activity) != len(self.activity):
            self.activity = activity
        else:
            pairs = zip(self.activity, activity, strict=True)
            self.activity = tuple(old + _CALM * (new - old) for old, new in pairs)


def _cell(checked: Checked, committed: Committed) -> WindowCell:
    return WindowCell(
        window=checked.window,
        drafted=checked.drafted,
        accepted=checked.accepted,
        committed=len(committed.tokens),
        corrected=any(token.origin == "correction" for token in committed.tokens),
        short=checked.short,
        looked_up=sum(token.origin == "lookup" for token in committed.tokens),
        nodes=checked.nodes,
    )


def _method(profile: Profile) -> str:
    draft = profile.draft
    if not profile.drafts:
        return "dense"
    parts: list[str] = [draft.method]
    if draft.method != "dense":
        parts.append(f"{draft.mean_keep:.0%}")
    if draft.precision != "native":
        parts.append(draft.precision)
    if profile.refreshes:
        parts.append(f"refresh {draft.refresh}")
    if profile.trees:
        parts.append(f"tree {draft.tree_width}")
    if profile.looks_up:
        parts.append(f"lookup {draft.lookup}")
    return " ".join(parts) + ("" if profile.corrects else ", unchecked")


def _rule(profile: Profile) -> str:
    if not profile.corrects:
        return ""
    check = profile.correction
    return check.accept if check.accept == "exact" else f"{check.accept} {check.threshold:g}"


def _product(values: tuple[float, ...]) -> float:
    product = 1.0
    for value in values:
        product *= value
    return product
