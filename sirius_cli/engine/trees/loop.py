"""The correction loop with a tree in place of a drafted chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from sirius_cli.core.events import Drafted, StepEvent
from sirius_cli.engine.acceptance import Verdict
from sirius_cli.engine.correction import CorrectionLoop
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.forward import finished
from sirius_cli.engine.models.decoder import Decoder, MlpRunner, dense_mlp
from sirius_cli.engine.outcome import outcome_of
from sirius_cli.engine.row import Row
from sirius_cli.engine.trees.growth import Growth
from sirius_cli.engine.trees.tree import Tree
from sirius_cli.engine.trees.verdict import walk


@dataclass
class TreeLoop(CorrectionLoop):
    """Decodes one row at a time, with a check, by trees of up to ``width`` nodes a level, as ``split`` has it.

    What is looked up is a chain. It is looked for where a window begins: further down there are several texts.
    """

    width: int = 1
    split: float = 0.0

    def _prepare_drafts(self, policy: DraftPolicy) -> None:
        self.passes.prepare(self.drafter, policy, self.width, tree=True)

    def _prepare_checks(self, longest: int) -> None:
        self.passes.prepare(self.model, self._watch or dense_mlp, (longest - 1) * self.width + 1, tree=True)
        if self.lookup:  # what is looked up is a chain
            super()._prepare_checks(longest)

    def step(self) -> Iterator[StepEvent]:
        """A whole window. Of a tree, every step is told as it is taken, and the path once it is known."""
        yield from self._told_plans()
        yield from self._look_up()
        (draft,) = self._drafts
        row = draft.row
        if draft.goes_on:
            growth = Growth(row.ids[-1], self.width, self.split, draft.limit, self.spec.confidence)
            while growth.goes_on:
                yield self._grow(row, growth)
            events = self._check_tree(row, growth.tree)
        else:
            events = self._check([draft])
        self._drafts = [self._next(row)] if row.live else []
        yield from events
        if not row.live:
            yield row.finished(self._now())

    @torch.inference_mode()
    def _grow(self, row: Row, growth: Growth) -> Drafted:
        """One sparse step of all tokens of the newest level."""
        assert self.policy is not None
        start, before = perf_counter(), len(growth.tree)
        self.policy.focus([row.place])
        logits = self._run(self.drafter, row, growth.tree, growth.level, self.policy)
        growth.extend(logits, row.drafts_a_stop)
        cost, grown = self.policy.cost, len(growth.tree) - before
        return Drafted(
            row.index, self._now(), row.window, (), (), (), cost.density, cost.read, perf_counter() - start,
            steps=1, nodes=grown,
        )  # fmt: skip

    @torch.inference_mode()
    def _check_tree(self, row: Row, tree: Tree) -> list[StepEvent]:
        """One dense pass over the tree; then the cache holds the path that was kept, as if there had been no other."""
        start = perf_counter()
        logits = finished(self._run(self.model, row, tree, range(len(tree)), self._watch or dense_mlp))
        seconds = perf_counter() - start
        found = walk(self.spec, row.chooser, logits, tree)
        path, told = list(found.path), [*found.path[1:], *tree.continued(found.path[-1])]
        self.cache.gather(row.place, path)
        if self._watch is not None:
            self._watch.keep(path)
        verdict = Verdict(len(path) - 1, found.token)
        outcome = outcome_of(tree.tokens(told), verdict, logits[path], nodes=len(tree) - 1, depth=tree.depth)
        return [self._path(row, tree, told), *self._settle([row], [outcome], [len(path)], seconds)]

    def _run(self, model: Decoder, row: Row, tree: Tree, numbers: Sequence[int], mlp: MlpRunner) -> torch.Tensor:
        """The logits after these consecutive nodes, whose keys and values enter their slots."""
        start = self.cache.lengths[row.place] + numbers[0]
        return self.passes.run(model, [row.place], [tree.tokens(numbers)], [start], mlp, tree.paths(numbers))

    def _path(self, row: Row, tree: Tree, told: Sequence[int]) -> Drafted:
        """The path that the check went, and on from there what the draft had wanted."""
        assert self.policy is not None
        cost, ids = self.policy.cost, tree.tokens(told)
        texts = tuple(self.tokens.decode([token]) for token in ids)
        sure = tuple(tree.nodes[number].probability for number in told)
        return Drafted(
            row.index, self._now(), row.window, tuple(ids), texts, sure, cost.density, cost.read, 0.0, steps=0
        )  # fmt: skip
