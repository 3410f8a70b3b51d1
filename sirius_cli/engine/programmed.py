"""The correction loop with whole windows as single programs, for devices where every launch and every answer costs."""

from collections.abc import Iterator
from time import perf_counter

from sirius_cli.core.events import StepEvent
from sirius_cli.core.profile import CorrectionSpec, Profile
from sirius_cli.engine.correction import CorrectionLoop
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.passes import LaunchedPasses
from sirius_cli.engine.planning.pace import FixedPace, Pace
from sirius_cli.engine.replay import Replay
from sirius_cli.engine.row import Row
from sirius_cli.engine.tokens import Tokens
from sirius_cli.engine.window_program import Window, WindowProgram


class ProgrammedLoop(CorrectionLoop):
    """Decodes one greedy row at a time; it may serve one text after another, as long as their ``cache`` is the same.

    A window always takes all of its draft steps, whatever the draft thinks of them. What a device does at one go cannot
    be timed apart: the seconds of a window are divided by the weights that drafts and check read.

    ``overshot`` says that the last window went beyond what was committed: it had learnt from text that a stop string
    cut off, so the statistic is no longer that of the text.
    """

    def __init__(
        self,
        model: Decoder,
        drafter: Decoder,
        tokens: Tokens,
        cache: KVCache,
        spec: CorrectionSpec,
        policy: DraftPolicy | None,
        statistic: NeuronStatistic | None,
        pace: FixedPace,
    ) -> None:
        super().__init__(
            model, drafter, tokens, cache, spec, policy, statistic, perf_counter(), pace, LaunchedPasses(cache)
        )
        self._program = WindowProgram(model, drafter, cache, spec, policy, statistic, len(tokens.eos_ids), pace.size)
        self._replay = Replay(self._program.run, self._program.state)
        self._activity: tuple[float, ...] = ()
        self.overshot = False

    def restart(self, began: float, pace: Pace) -> None:
        """As for all loops; the program's windows keep their size."""
        super().restart(began, self.pace)
        self.overshot = False

    def prepare(self, row: Row, longest: int) -> None:
        """Let a GPU record the program, unless it has."""
        if self.policy is not None:
            self.policy.begin(row.place)
        self._program.begin(row.ids[-1], self.cache.lengths[row.place], 0, row.eos_ids)
        self._replay.prepare()

    def join(self, row: Row) -> None:
        """Decode ``row`` from the next step on."""
        super().join(row)
        self._program.begin(row.ids[-1], self.cache.lengths[row.place], row.room - 1, row.eos_ids)

    def step(self) -> Iterator[StepEvent]:
        """A whole window."""
        yield from self._told_plans()
        (draft,) = self._drafts
        row, held, start = draft.row, self.cache.lengths[draft.row.place], perf_counter()
        window = self._program.read(self._replay().tolist())
        events = self._told(row, window, perf_counter() - start)
        self.overshot = self.cache.lengths[row.place] < held + window.committed
        self._drafts = [self._next(row)] if row.live else []
        yield from events
        if not row.live:
            yield row.finished(self._now())

    def _told(self, row: Row, window: Window, seconds: float) -> list[StepEvent]:
        """Commit ``window``, which took ``seconds``."""
        steps, drafting = len(window.drafted), self.policy.cost.read if self.policy is not None else 0.0
        reading = seconds / (steps * drafting + 1)
        drafts: list[StepEvent] = [
            self._drafted(row, token, probability, reading * drafting)
            for token, probability in zip(window.drafted, window.draft_probabilities, strict=True)
        ]
        self._activity = window.activity
        return [*drafts, *self._settle([row], [window.outcome], [steps + 1], reading)]

    def _learn(self, rows: list[Row], lengths: list[int], counts: list[int]) -> list[tuple[float, ...]]:
        """The program has learnt already."""
        return [self._activity]


def alike(profile: Profile) -> bool:
    """Whether all windows of a greedy text do the same, whatever its tokens turn out to be: a program does."""
    draft, correction = profile.draft, profile.correction
    if profile.looks_up or profile.trees:
        return False
    if draft.native_dense:
        return True
    varies = correction.window == "auto" or correction.confidence > 0.0 or draft.refresh > 1
    return correction.enabled and not varies
