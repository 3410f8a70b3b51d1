"""Which loop decodes a text, or several: plain or over recordings, by whole windows, by trees."""

from sirius_cli.core.profile import Profile
from sirius_cli.engine.correction import CorrectionLoop
from sirius_cli.engine.drafts import make_policy
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.measured import Measured
from sirius_cli.engine.passes import LaunchedPasses, Passes
from sirius_cli.engine.planning.pace import Experiences, FixedPace, Pace, longest_window, tree_pace
from sirius_cli.engine.programmed import ProgrammedLoop, alike
from sirius_cli.engine.recorded import Recordings
from sirius_cli.engine.row import Row
from sirius_cli.engine.text import Text
from sirius_cli.engine.tokens import Tokens
from sirius_cli.engine.trees.loop import TreeLoop


class Loops(Measured):
    """The part of an engine that makes the loops by which it decodes."""

    tokens: Tokens
    masked: bool
    programs: bool
    _experiences: Experiences
    _recorded: CorrectionLoop | None
    _made_for: tuple[Profile, bool] | None

    def _policy(self, statistic: NeuronStatistic | None, rows: int, *, masked: bool) -> DraftPolicy | None:
        neurons = self.model.config.intermediate_size
        return make_policy(
            self.profile.draft, statistic, neurons, rows, self.counts, self.draft_sizes, self.model.ops, masked=masked
        )

    def _loop(
        self, cache: KVCache, statistic: NeuronStatistic | None, began: float, *, texts: int = 0
    ) -> CorrectionLoop:
        """The plain loop, or that of trees. ``texts`` of a batch (0: no batch) have no own time: planned for reads."""
        profile, draft = self.profile, self.profile.draft
        policy = self._policy(statistic, len(cache.lengths), masked=self.masked or profile.masks_drafts)
        drafter, correction = self.drafters.of(draft), profile.correction
        parts = (self.model, drafter, self.tokens, cache, correction, policy, statistic, began)
        lookup = draft.lookup if profile.looks_up else 0
        pace, passes = self._pace(texts), self._passes(cache)
        if profile.trees:
            return TreeLoop(*parts, pace, passes, lookup, draft.tree_width, draft.tree_split)
        return CorrectionLoop(*parts, pace, passes, lookup)

    def _loop_of(self, row: Row, text: Text, began: float) -> CorrectionLoop:
        """The loop for one text; where programs pay and all windows are alike, one that runs them as programs.

        What a GPU has recorded belongs to its buffers, so it is kept for the next prompt of the same profile and cache.
        """
        if not self._records:
            return self._loop(text.cache, text.statistic, began)
        whole = row.chooser.greedy and alike(self.profile)
        held = self._recorded
        if held is None or held.cache is not text.cache or self._made_for != (self.profile, whole):
            held = self._programmed(text) if whole else self._loop(text.cache, text.statistic, began)
            self._recorded, self._made_for = held, (self.profile, whole)
        held.restart(began, self._pace(texts=0))
        return held

    def _programmed(self, text: Text) -> ProgrammedLoop:
        profile = self.profile
        policy = self._policy(text.statistic, 1, masked=False)
        parts = (self.model, self.drafters.of(profile.draft), self.tokens, text.cache, profile.correction, policy)
        return ProgrammedLoop(*parts, text.statistic, FixedPace(longest_window(profile) if policy is not None else 1))

    @property
    def _records(self) -> bool:
        """Whether passes are recorded. Masked ones are for proofs."""
        return self.programs and not self.masked

    def _passes(self, cache: KVCache) -> Passes:
        if not self._records:
            return LaunchedPasses(cache)
        return Recordings(cache, longest_window(self.profile) if self.profile.trees else 0)

    def _pace(self, texts: int) -> Pace:
        if self.profile.trees:
            return tree_pace(self.profile, others=texts > 1)
        return self._experiences.pace(self.profile, self.draft_cost, timed=not texts)
