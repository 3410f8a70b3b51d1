"""Draft a window, check it, accept, rewind, commit: the heart of Sirius.

A dense run is the same loop with nothing drafted, so both are timed and counted by one program.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch

from sirius_cli.core.events import Checked, CommittedToken, Drafted, Origin, StepEvent
from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.engine.acceptance import Verdict, judge
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.row import Row
from sirius_cli.engine.sampling import entropy, token_probabilities
from sirius_cli.engine.tokens import Tokens


@dataclass(slots=True)
class Draft:
    """What a row's sparse steps wrote, and how sure the draft is of all of it (the product of its probabilities).

    ``distributions`` is filled when sampling alone.
    """

    limit: int
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    distributions: list[torch.Tensor] = field(default_factory=list)
    certainty: float = 1.0
    ended: bool = False

    @property
    def goes_on(self) -> bool:
        return not self.ended and len(self.ids) < self.limit


@dataclass
class CorrectionLoop:
    """Decodes prefilled ``rows`` to their ends. ``policy`` None is dense decoding; ``statistic`` learns from checks."""

    model: Decoder
    tokens: Tokens
    cache: KVCache
    rows: Sequence[Row]
    spec: CorrectionSpec
    policy: DraftPolicy | None
    statistic: NeuronStatistic | None
    began: float

    def __post_init__(self) -> None:
        drafts = self.policy is not None
        self._watch: Watch | None = self.statistic or (Watch() if drafts else None)  # plain dense steps pay nothing

    def run(self) -> Iterator[StepEvent]:
        """Events until every row has finished."""
        while live := [row for row in self.rows if row.live]:
            for row in live:
                row.window += 1
            drafts_alone = self.policy is not None and not self.spec.enabled
            yield from self._draft_alone(live) if drafts_alone else self._window(live)
            for row in live:
                if not row.live:
                    yield row.finished(self._now())

    def _window(self, live: list[Row]) -> Iterator[StepEvent]:
        drafts = [Draft(self._draft_limit(row)) for row in live]
        yield from self._draft(live, drafts)
        logits, seconds = self._check(live, drafts)
        yield from self._settle(live, drafts, logits, seconds)

    def _settle(
        self, live: list[Row], drafts: list[Draft], logits: list[torch.Tensor], seconds: float
    ) -> list[StepEvent]:
        """Judge, commit and rewind every row. All is settled before the first event leaves."""
        verdicts = [
            judge(self.spec, row.chooser, dense, draft.ids, draft.distributions)
            for row, draft, dense in zip(live, drafts, logits, strict=True)
        ]
        now, commits = self._now(), []
        for row, draft, verdict, dense in zip(live, drafts, verdicts, logits, strict=True):
            commits.append(row.commit(self._final(draft, verdict, dense), now))
            self.cache.advance(row.index, len(commits[-1].tokens))
        activity = self._learn([row.index for row in live], [len(committed.tokens) for committed in commits])
        events: list[StepEvent] = []
        for row, draft, verdict, committed, layers in zip(live, drafts, verdicts, commits, activity, strict=True):
            short = self.policy is not None and len(draft.ids) + 1 < self.spec.window
            events.append(Checked(row.index, now, row.window, len(draft.ids), verdict.accepted, short, seconds, layers))
            events.append(committed)
        return events

    def _learn(self, rows: list[int], counts: list[int]) -> list[tuple[float, ...]]:
        """What the check showed of the neurons on the committed tokens: by row, the activity of each layer."""
        if self._watch is None:
            return [()] * len(rows)
        activity = self._watch.activity(counts)
        if self.statistic is not None:
            self.statistic.fold(rows, counts)
        return activity

    def _draft_alone(self, live: list[Row]) -> Iterator[StepEvent]:
        """One sparse step whose token is final: a draft without correction."""
        drafts = [Draft(limit=1) for _ in live]
        yield from self._draft(live, drafts)
        for row, draft in zip(live, drafts, strict=True):
            token = CommittedToken(draft.ids[0], "", "draft", draft.probabilities[0])
            committed = row.commit([token], self._now())
            self.cache.advance(row.index, 1)
            yield committed

    def _draft(self, live: list[Row], drafts: list[Draft]) -> Iterator[Drafted]:
        """Sparse steps for every row, together while they last; each token is told as soon as it is there."""
        while working := [(row, draft) for row, draft in zip(live, drafts, strict=True) if draft.goes_on]:
            start = perf_counter()
            self._draft_step(working)
            seconds = perf_counter() - start
            for row, draft in working:
                yield self._drafted(row, draft, seconds)

    def _draft_limit(self, row: Row) -> int:
        """Drafts per window: the check adds one token, and no window may overrun the request or the context."""
        return min(self.spec.window, row.room) - 1 if self.policy is not None else 0

    @torch.inference_mode()
    def _draft_step(self, working: list[tuple[Row, Draft]]) -> None:
        assert self.policy is not None
        rows = [row.index for row, _ in working]
        newest = [[draft.ids[-1] if draft.ids else row.ids[-1]] for row, draft in working]
        starts = [self.cache.lengths[row.index] + len(draft.ids) for row, draft in working]
        self.policy.focus(rows)
        logits = run_rows(self.model, self.cache, rows, newest, starts, self.policy)
        chosen = [row.chooser.choose(logits[i]) for i, (row, _) in enumerate(working)]
        probabilities = token_probabilities(logits, [token for token, _ in chosen])
        for (row, draft), (token, distribution), probability in zip(working, chosen, probabilities, strict=True):
            draft.ids.append(token)
            draft.probabilities.append(probability)
            draft.certainty *= probability
            if distribution is not None:
                draft.distributions.append(distribution)
            draft.ended = draft.certainty < self.spec.confidence or row.drafts_a_stop(draft.ids)

    @torch.inference_mode()
    def _check(self, live: list[Row], drafts: list[Draft]) -> tuple[list[torch.Tensor], float]:
        """One dense pass over every row's window, which overwrites what the draft left in the cache."""
        start = perf_counter()
        windows = [[row.ids[-1], *draft.ids] for row, draft in zip(live, drafts, strict=True)]
        rows = [row.index for row in live]
        starts = [self.cache.lengths[index] for index in rows]
        logits = run_rows(self.model, self.cache, rows, windows, starts, self._watch or dense_mlp)
        return list(logits.split_with_sizes([len(window) for window in windows])), perf_counter() - start

    def _final(self, draft: Draft, verdict: Verdict, dense: torch.Tensor) -> list[CommittedToken]:
        """The tokens that a verdict commits, with their dense probabilities."""
        kept = draft.ids[: verdict.accepted]
        probabilities = token_probabilities(dense[: verdict.accepted + 1], [*kept, verdict.token])
        tokens = [CommittedToken(token, "", "draft", p) for token, p in zip(kept, probabilities, strict=False)]
        origin = self._last_origin(draft, verdict)
        if origin != "correction":
            return [*tokens, CommittedToken(verdict.token, "", origin, probabilities[-1])]
        refused = draft.ids[verdict.accepted]
        place = dense[verdict.accepted]
        correction = CommittedToken(
            verdict.token, "", origin, probabilities[-1], draft_id=refused, draft_text=self.tokens.decode([refused]),
            p_draft=token_probabilities(place[None], [refused])[0], entropy=entropy(place),
        )  # fmt: skip
        return [*tokens, correction]

    def _last_origin(self, draft: Draft, verdict: Verdict) -> Origin:
        """A refused draft whose place is then filled with the very same token was not corrected."""
        if self.policy is None:
            return "dense"
        if verdict.accepted == len(draft.ids):
            return "bonus"
        return "draft" if draft.ids[verdict.accepted] == verdict.token else "correction"

    def _drafted(self, row: Row, draft: Draft, seconds: float) -> Drafted:
        assert self.policy is not None
        cost, token = self.policy.cost, draft.ids[-1]
        text, probability = self.tokens.decode([token]), draft.probabilities[-1]
        return Drafted(
            row.index, self._now(), row.window, (token,), (text,), (probability,), cost.density, cost.read, seconds
        )

    def _now(self) -> float:
        return perf_counter() - self.began
