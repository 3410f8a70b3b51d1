"""Trees of drafted tokens: how they grow and what is kept of them, as plain data."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.core.request import SamplingSpec
from sirius_cli.engine.acceptance import is_likely
from sirius_cli.engine.sampling import Chooser, distribution
from sirius_cli.engine.trees.growth import Growth
from sirius_cli.engine.trees.tree import Tree
from sirius_cli.engine.trees.verdict import walk

GREEDY = Chooser(SamplingSpec())
VOCABULARY = 6
fuzz = settings(max_examples=30, deadline=None)


def draft_logits(path, seed):
    """Logits after a path, which depend on nothing else."""
    g = torch.Generator().manual_seed(hash((seed, *path)) % 2**31)
    return 2 * torch.randn(VOCABULARY, generator=g)


def grown(width, limit, seed, *, split=0.0, confidence=0.0, ends=lambda path: False, root=1):
    growth = Growth(root, width, split, limit, confidence)
    while growth.goes_on:
        tree = growth.tree
        logits = torch.stack([draft_logits(tree.tokens(tree.path(node)), seed) for node in growth.level])
        growth.extend(logits, ends)
    return growth.tree


def some_tree(seed, nodes):
    """A tree of any shape. Siblings are different tokens."""
    g, tree = torch.Generator().manual_seed(seed), Tree(1)
    for _ in range(nodes):
        parent = int(torch.randint(0, len(tree), (), generator=g))
        free = sorted(set(range(VOCABULARY)).difference(tree.tokens(tree.children(parent))))
        if free:
            token = free[int(torch.randint(0, len(free), (), generator=g))]
            tree.add(parent, token, 0.5, float(torch.randn((), generator=g)))
    return tree


def test_a_tree_knows_its_paths():
    tree = Tree(9)
    a, b = tree.add(0, 3, 0.5, -0.7), tree.add(0, 4, 0.25, -1.4)
    c, d, e = tree.add(a, 5, 0.1, -3.0), tree.add(b, 6, 0.9, -1.5), tree.add(a, 7, 0.2, -2.3)
    assert tree.tokens(tree.path(c)) == [9, 3, 5]
    assert tree.children(0) == [a, b]
    assert tree.continued(0) == [a, e]
    assert tree.continued(d) == []
    assert tree.depth == 2
    assert tree.paths([b, c]).tolist() == [[0, b, -1], [0, a, c]]
    assert tree.paths([0]).tolist() == [[0]]
    assert tree.paths([a]).dtype is torch.int32


@fuzz
@given(width=st.integers(1, 8), limit=st.integers(1, 5), seed=st.integers(0, 999), split=st.sampled_from([0, 0.2, 1]))
def test_every_level_is_the_best_of_all_that_can_follow_the_level_before(width, limit, seed, split):
    tree = grown(width, limit, seed, split=split)
    level = {(1,): 0.0}
    for depth in range(1, limit + 1):
        following = {}
        for path, score in level.items():
            for token, likely in enumerate(draft_logits(path, seed).double().log_softmax(-1).tolist()):
                following[(*path, token)] = score + likely
        best = sorted(following.items(), key=lambda item: -item[1])[:width]
        level = {path: score for path, score in best if math.exp(score - best[0][1]) >= split}
        found = [node for node, it in enumerate(tree.nodes) if it.depth == depth]
        assert [tuple(tree.tokens(tree.path(node))) for node in found] == list(level)
        for node, score in zip(found, level.values(), strict=True):
            assert tree.nodes[node].score == pytest.approx(score, abs=1e-5)
            path = tree.path(node)[1:]
            assert math.prod(tree.nodes[i].probability for i in path) == pytest.approx(math.exp(score), rel=1e-4)
    assert tree.depth == limit


@fuzz
@given(limit=st.integers(1, 6), seed=st.integers(0, 999), stop=st.integers(0, 5), confidence=st.floats(0, 1))
def test_one_path_is_a_drafted_chain(limit, seed, stop, confidence):
    tree = grown(1, limit, seed, confidence=confidence, ends=lambda path: path[-1] == stop)
    chain, certainty = [1], 1.0
    while len(chain) <= limit and (len(chain) == 1 or (certainty >= confidence and chain[-1] != stop)):
        probabilities = draft_logits(chain, seed).double().softmax(-1)
        chain.append(int(probabilities.argmax()))
        certainty *= float(probabilities.max())
    assert tree.tokens(tree.path(len(tree) - 1)) == chain
    assert len(tree) == len(chain)


@fuzz
@given(width=st.integers(2, 5), seed=st.integers(0, 999), stop=st.integers(0, 5))
def test_nothing_follows_a_stop_and_the_best_path_that_stops_ends_the_tree(width, seed, stop):
    tree = grown(width, 6, seed, ends=lambda path: path[-1] == stop)
    closed = [number for number, node in enumerate(tree.nodes[1:], start=1) if node.token == stop]
    assert not any(tree.children(number) for number in closed)
    if tree.depth < 6:
        live = [n for n, node in enumerate(tree.nodes) if node.depth == tree.depth and n not in closed]
        best = max(tree.nodes[number].score for number in closed)
        assert all(tree.nodes[number].score <= best for number in live)


@fuzz
@given(width=st.integers(2, 8), seed=st.integers(0, 999))
def test_a_draft_that_is_sure_goes_on_as_a_chain(width, seed):
    growth = Growth(1, width, 0.1, 4, 0.0)
    for sure in (20.0, 0.0, 20.0):
        logits = torch.stack([draft_logits(growth.tree.tokens(growth.tree.path(n)), seed) for n in growth.level])
        logits[:, 2] += sure
        before = len(growth.level)
        growth.extend(logits, lambda path: False)
        if sure:
            assert len(growth.level) <= before  # every path goes on, and none gets a sibling


def test_a_tree_in_doubt_stays_short():
    deep, short = (grown(3, 6, 5, confidence=confidence) for confidence in (0.0, 0.3))
    assert short.depth < deep.depth == 6
    before = sum(math.exp(node.score) for node in short.nodes if node.depth == short.depth - 1)
    after = sum(math.exp(node.score) for node in short.nodes if node.depth == short.depth)
    assert after < 0.3 <= before


@fuzz
@given(seed=st.integers(0, 999), nodes=st.integers(0, 20))
def test_exact_follows_the_dense_argmax(seed, nodes):
    tree = some_tree(seed, nodes)
    logits = torch.randn(len(tree), VOCABULARY, generator=torch.Generator().manual_seed(seed))
    found = walk(CorrectionSpec(accept="exact"), GREEDY, logits, tree)
    for node, following in pairwise(found.path):
        assert following in tree.children(node)
        assert tree.nodes[following].token == int(logits[node].argmax())
    assert found.token == int(logits[found.path[-1]].argmax())
    assert found.token not in tree.tokens(tree.children(found.path[-1]))


@fuzz
@given(seed=st.integers(0, 999), nodes=st.integers(1, 20), threshold=st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_likelihood_takes_the_longest_allowed_path_and_of_these_the_likeliest(seed, nodes, threshold):
    tree, spec = some_tree(seed, nodes), CorrectionSpec(threshold=threshold)
    logits = torch.randn(len(tree), VOCABULARY, generator=torch.Generator().manual_seed(seed))
    ranked = {}
    for number in range(len(tree)):
        path, likely = tree.path(number), 0.0
        for node, following in pairwise(path):
            token = tree.nodes[following].token
            if not is_likely(logits[node][None], torch.tensor([token]), threshold, spec.temperature):
                break
            likely += float(logits[node].log_softmax(-1)[token])
        else:
            ranked[tuple(path)] = (len(path), likely)
    found = walk(spec, GREEDY, logits, tree)
    assert ranked[found.path][0] == max(length for length, _ in ranked.values())
    assert ranked[found.path][1] == pytest.approx(max(ranked.values())[1])
    assert found.token == int(logits[found.path[-1]].argmax())


def test_exact_sampling_of_a_tree_draws_from_the_dense_distribution():
    """Two tokens in a row, whatever the tree offers: a chi-square statistic against the product of probabilities."""
    tree = Tree(0)
    children = [tree.add(0, token, 0.4, -1.0) for token in (2, 3)]
    tree.add(children[0], 1, 0.2, -3.0)
    logits = torch.randn(len(tree), 4, generator=torch.Generator().manual_seed(3))
    behind = torch.randn(4, 4, generator=torch.Generator().manual_seed(4))  # after tokens that the tree does not hold
    behind[[2, 3]] = logits[children]
    sampling, trials = SamplingSpec(temperature=0.8, seed=7), 6000
    chooser, counts = Chooser(sampling), Counter()
    for _ in range(trials):
        found = walk(CorrectionSpec(accept="exact"), chooser, logits, tree)
        tokens = [*tree.tokens(found.path[1:]), found.token]
        if len(tokens) == 1:
            tokens.append(chooser.choose(behind[tokens[0]])[0])
        counts[tuple(tokens[:2])] += 1
    first, second = distribution(logits[:1], sampling)[0], distribution(behind, sampling)
    expected = trials * (first[:, None] * second).flatten()
    got = torch.tensor([float(counts[a, b]) for a in range(4) for b in range(4)])
    assert float(((got - expected).square() / expected).sum()) < 37.7  # 15 degrees of freedom, 0.999 quantile
