"""Draft a window, check it, accept, rewind, commit: the heart of Sirius.

A dense run is the same loop with nothing drafted, so both are timed and counted by one program.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import torch

from sirius_cli.core.events import Checked, Committed, CommittedToken, Drafted, Planned, StepEvent
from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.engine.acceptance import judge
from sirius_cli.engine.drafts.lookup import Lookup
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.forward import finished
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.outcome import Outcome, outcome_of
from sirius_cli.engine.passes import Passes
from sirius_cli.engine.planning.pace import Pace
from sirius_cli.engine.row import Row
from sirius_cli.engine.sampling import certain, likeliest, token_probabilities
from sirius_cli.engine.tokens import Tokens

_CHECK_TOKENS: Final = 32  # so many are worth a pass over the weights; fewer wait for the windows of other rows
_MOST_TOKENS: Final = 512  # of a check of several rows: bounds the memory of activations and logits


@dataclass(slots=True, eq=False)
class Draft:
    """What a row's sparse steps wrote for its window, and how sure the draft is of it (product of its probabilities).

    ``distributions`` is filled when sampling alone. The last ``looked_up`` of ``ids`` were found in the row's text.
    """

    row: Row
    limit: int
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    distributions: list[torch.Tensor] = field(default_factory=list)
    certainty: float = 1.0
    ended: bool = False
    looked_up: int = 0

    @property
    def goes_on(self) -> bool:
        return not self.ended and len(self.ids) < self.limit

    @property
    def window(self) -> list[int]:
        """What a check has to run: the newest committed token and the drafted ones."""
        return [self.row.ids[-1], *self.ids]

    def look_up(self, vocabulary: int, device: torch.device) -> None:
        """Fill the window with what followed where the text was alike before, if it was.

        No step can follow copied tokens, whose keys the cache lacks, so the draft ends. All that fit are taken: a copy
        costs nothing, and checking many tokens hardly more than checking few.
        """
        lookup = self.row.lookup
        for token in lookup.continuation(self.row.ids, self.ids, self.limit - len(self.ids)) if lookup else ():
            self.ids.append(token)
            self.probabilities.append(1.0)
            if not self.row.chooser.greedy:
                self.distributions.append(certain(token, vocabulary, device))
            self.looked_up += 1
            self.ended = True
            if self.row.drafts_a_stop(self.ids):
                break

    def judged(self, accepted: int) -> None:
        """Let the row's look-ups learn from a check, unless it stopped before what was looked up."""
        reached = accepted - (len(self.ids) - self.looked_up)
        if self.row.lookup and self.looked_up and reached >= 0:
            self.row.lookup.judge(self.looked_up, reached)


@dataclass
class CorrectionLoop:
    """Decodes rows, one step of all of them at a time. ``policy`` None is dense; ``statistic`` learns from checks.

    ``lookup`` is the shortest match, in tokens, after which a row's text is drafted on without a step; 0 is never.
    ``model`` checks, ``drafter`` drafts: the same model, or one over a copy of its weights in fewer bits. ``pace``
    sizes the windows, ``passes`` run them over the ``cache``.

    Rows that have been prefilled may join at any time, once :meth:`prepare` has seen them. Each keeps its own pace:
    while one is checked, others draft.
    """

    model: Decoder
    drafter: Decoder
    tokens: Tokens
    cache: KVCache
    spec: CorrectionSpec
    policy: DraftPolicy | None
    statistic: NeuronStatistic | None
    began: float
    pace: Pace
    passes: Passes
    lookup: int = 0

    def __post_init__(self) -> None:
        drafts = self.policy is not None
        self._alone = drafts and not self.spec.enabled
        self._watch: Watch | None = self.statistic or (Watch() if drafts else None)  # plain dense steps pay nothing
        self._drafts: list[Draft] = []
        self._news: list[Planned] = []

    @property
    def rows(self) -> list[Row]:
        """The rows that have not finished."""
        return [draft.row for draft in self._drafts]

    def restart(self, began: float, pace: Pace) -> None:
        """Forget the rows of an answer that was given up; ``began`` is when the next one did, ``pace`` its own."""
        self._drafts, self._news, self.began, self.pace = [], [], began, pace

    @torch.inference_mode()
    def prepare(self, row: Row, longest: int) -> None:
        """Do what has to be done once before windows of up to ``longest`` tokens of ``row``, which has been prefilled.

        That is no part of decoding, and must not be timed as such.
        """
        if self.policy is not None:
            self.policy.begin(row.place)
            self._prepare_drafts(self.policy)
            self.passes.prepare_choice(self.policy)
        if not self._alone:
            self._prepare_checks(longest)

    def _prepare_drafts(self, policy: DraftPolicy) -> None:
        self.passes.prepare(self.drafter, policy, 1)

    def _prepare_checks(self, longest: int) -> None:
        if self.pace.plans:
            self.passes.prepare(self.model, self.statistic or dense_mlp, 1)
        drafts = self.policy is not None or self.lookup > 0
        self.passes.prepare(self.model, self._watch or dense_mlp, longest if drafts else 1)

    def join(self, row: Row) -> None:
        """Decode ``row`` from the next step on."""
        row.lookup = Lookup(self.lookup) if self.lookup else None
        self._drafts.append(self._next(row))

    def step(self) -> Iterator[StepEvent]:
        """Draft a token more for every row that drafts, then check the others if it pays. Finished rows leave."""
        yield from self._told_plans()
        yield from self._look_up()
        drafting = [draft for draft in self._drafts if draft.goes_on]
        if drafting:
            yield from self._draft(drafting)
        ready = [draft for draft in self._drafts if not draft.goes_on]
        if not self._worth_a_pass(ready):
            return
        events: list[StepEvent] = []
        for group in _groups(ready):
            events += self._take(group) if self._alone else self._check(group)
        self._drafts = [draft if draft.goes_on else self._next(draft.row) for draft in self._drafts if draft.row.live]
        yield from events
        yield from (draft.row.finished(self._now()) for draft in ready if not draft.row.live)

    def _worth_a_pass(self, ready: list[Draft]) -> bool:
        return len(ready) == len(self._drafts) or sum(len(draft.window) for draft in ready) >= _CHECK_TOKENS

    def _next(self, row: Row) -> Draft:
        """The next window of ``row``: the check adds one token, and none may overrun the request or the context."""
        row.window += 1
        if self.policy is None and not self.lookup:
            return Draft(row, limit=0)
        return Draft(row, limit=1 if self._alone else min(self._size(row), row.room) - 1)

    def _size(self, row: Row) -> int:
        """The size of the next window of ``row``; a change that has a reason will be told."""
        plan = self.pace.next(row)
        if plan.reason and plan.size != row.size:
            figures = (plan.size, plan.reason, plan.draft, plan.accepted, plan.speedup)
            self._news.append(Planned(row.index, self._now(), row.window, *figures))
        row.size = plan.size
        return plan.size

    def _told_plans(self) -> list[Planned]:
        news, self._news = self._news, []
        return news

    def _look_up(self) -> Iterator[Drafted]:
        """Let every row that drafts look its text up first; without a policy that is all that it can do."""
        for draft in [draft for draft in self._drafts if draft.goes_on and self.lookup]:
            start = perf_counter()
            draft.look_up(self.model.config.vocab_size, self.model.weights.head.device)
            draft.ended |= self.policy is None
            if draft.looked_up:
                yield self._found(draft, perf_counter() - start)

    def _draft(self, drafts: list[Draft]) -> Iterator[Drafted]:
        """One sparse step for every row together; each token is told as soon as it is there."""
        start = perf_counter()
        self._draft_step(drafts)
        seconds = perf_counter() - start
        self.pace.drafted(seconds)
        for draft in drafts:
            yield self._drafted(draft.row, draft.ids[-1], draft.probabilities[-1], seconds)

    @torch.inference_mode()
    def _draft_step(self, drafts: list[Draft]) -> None:
        assert self.policy is not None
        places = [draft.row.place for draft in drafts]
        starts = [self.cache.lengths[draft.row.place] + len(draft.ids) for draft in drafts]
        self.policy.focus(places)
        newest = [draft.window[-1:] for draft in drafts]
        logits = self.passes.run(self.drafter, places, newest, starts, self.policy)
        greedy = all(draft.row.chooser.greedy for draft in drafts)
        chosen = likeliest(logits) if greedy else _drawn(drafts, logits)
        for draft, (token, probability) in zip(drafts, chosen, strict=True):
            draft.ids.append(token)
            draft.probabilities.append(probability)
            draft.certainty *= probability
            draft.ended = draft.certainty < self.spec.confidence or draft.row.drafts_a_stop(draft.ids)

    def _take(self, drafts: list[Draft]) -> list[Committed]:
        """Commit drafted tokens as they are: a draft without correction."""
        commits = []
        for draft in drafts:
            token = CommittedToken(draft.ids[0], "", "draft", draft.probabilities[0])
            commits.append(draft.row.commit([token], self._now()))
            self.cache.advance(draft.row.place, 1)
        return commits

    @torch.inference_mode()
    def _check(self, drafts: list[Draft]) -> list[StepEvent]:
        """One dense pass over every row's window, which overwrites what the draft left in the cache."""
        start = perf_counter()
        windows = [draft.window for draft in drafts]
        places = [draft.row.place for draft in drafts]
        starts = [self.cache.lengths[place] for place in places]
        mlp = self.statistic if self._bare([draft.row for draft in drafts]) else self._watch
        logits = finished(self.passes.run(self.model, places, windows, starts, mlp or dense_mlp))
        seconds = perf_counter() - start
        outcomes = [
            self._outcome(draft, dense)
            for draft, dense in zip(drafts, logits.split_with_sizes([*map(len, windows)]), strict=True)
        ]
        events = self._settle([draft.row for draft in drafts], outcomes, [*map(len, windows)], seconds)
        self.pace.checked(sum(map(len, windows)), perf_counter() - start)
        return events

    def _bare(self, rows: list[Row]) -> bool:
        """Whether the pass is planned to be dense decoding: then it must cost no more than that."""
        return self.pace.plans and all(row.size == 1 for row in rows)

    def _outcome(self, draft: Draft, dense: torch.Tensor) -> Outcome:
        verdict = judge(self.spec, draft.row.chooser, dense, draft.ids, draft.distributions)
        draft.judged(verdict.accepted)
        return outcome_of(draft.ids, verdict, dense, draft.looked_up)

    def _settle(self, rows: list[Row], outcomes: list[Outcome], lengths: list[int], seconds: float) -> list[StepEvent]:
        """Commit and rewind every row, whose ``lengths`` tokens were checked. All is settled before an event leaves."""
        now, commits = self._now(), []
        for row, outcome in zip(rows, outcomes, strict=True):
            plain = self.policy is None and not outcome.drafted
            tokens = outcome.tokens("dense" if plain else "bonus", self.tokens.decode)
            commits.append(row.commit(tokens, now))
            self.cache.advance(row.place, len(commits[-1].tokens))
        activity = self._learn(rows, lengths, [len(commit.tokens) for commit in commits])
        events: list[StepEvent] = []
        for row, outcome, committed, layers in zip(rows, outcomes, commits, activity, strict=True):
            drafted = outcome.reach
            short = (self.policy is not None or drafted > 0) and drafted + 1 < row.size
            self.pace.judged(row, drafted, outcome.accepted, len(committed.tokens), outcome.looked_up)
            figures = (drafted, outcome.accepted, short, seconds, layers, outcome.nodes)
            events.append(Checked(row.index, now, row.window, *figures))
            events.append(committed)
        return events

    def _learn(self, rows: list[Row], lengths: list[int], counts: list[int]) -> list[tuple[float, ...]]:
        """What the check showed of the neurons on the committed tokens: by row, the activity of each layer."""
        places, bare = [row.place for row in rows], self._bare(rows)
        activity: list[tuple[float, ...]] = [()] * len(rows)
        if self.statistic is not None and bare:
            self.statistic.fold_later(places)
        elif self._watch is not None and not bare:
            activity = self.passes.learn(self._watch, places, lengths, counts)
        for row in rows:
            if self.policy is not None and not self._bare([row]):  # also where others of the pass were drafted
                self.passes.checked(self.policy, row.place)
        return activity

    def _drafted(self, row: Row, token: int, probability: float, seconds: float) -> Drafted:
        assert self.policy is not None
        cost, text = self.policy.cost, self.tokens.decode([token])
        return Drafted(
            row.index, self._now(), row.window, (token,), (text,), (probability,), cost.density, cost.read, seconds
        )

    def _found(self, draft: Draft, seconds: float) -> Drafted:
        ids, count = draft.ids[-draft.looked_up :], draft.looked_up
        texts, sure = tuple(self.tokens.decode([token]) for token in ids), (1.0,) * count
        row = draft.row
        return Drafted(row.index, self._now(), row.window, tuple(ids), texts, sure, 0.0, 0.0, seconds, "lookup")

    def _now(self) -> float:
        return perf_counter() - self.began


def _drawn(drafts: list[Draft], logits: torch.Tensor) -> list[tuple[int, float]]:
    """What each row chooses after its ``logits``, and the model's own probability of it; draws are kept."""
    tokens = []
    for draft, scores in zip(drafts, logits, strict=True):
        token, distribution = draft.row.chooser.choose(scores)
        tokens.append(token)
        if distribution is not None:
            draft.distributions.append(distribution)
    return list(zip(tokens, token_probabilities(logits, tokens), strict=True))


def _groups(drafts: list[Draft]) -> list[list[Draft]]:
    """``drafts`` in order, in groups whose windows together are a pass of at most ``_MOST_TOKENS``, or a single one."""
    groups: list[list[Draft]] = []
    left = 0
    for draft in drafts:
        size = len(draft.window)
        if size > left:
            groups.append([])
            left = _MOST_TOKENS
        groups[-1].append(draft)
        left -= size
    return groups
