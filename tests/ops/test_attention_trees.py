"""Attention over trees of tokens: each token as if its path were all there is, and every implementation alike."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import paths_of, random_parents

from sirius_kernels.attention.op import attention
from sirius_kernels.attention.tree import depths, roots
from sirius_kernels.block.op import AttentionBlock
from sirius_kernels.block.weights import Around, AttentionWeights
from sirius_kernels.contracts import ContractError
from sirius_kernels.testing import assert_close

TREES = {
    "batch": st.integers(1, 2),
    "nodes": st.sampled_from([1, 2, 3, 9, 17, 40]),
    "passes": st.integers(1, 4),
    "kv_heads": st.integers(1, 2),
    "group": st.integers(1, 3),
    "head_dim": st.sampled_from([4, 8, 24, 66]),
    "window": st.sampled_from([None, 1, 3, 64]),
    "softcap": st.sampled_from([None, 5.0]),
    "turned": st.booleans(),
    "subset": st.booleans(),
    "held": st.integers(0, 20),
    "seed": st.integers(0, 99),
}


class Case:
    """A text of ``held`` tokens, longer in every further row, and a tree behind it that is run in several passes."""

    def __init__(self, batch, nodes, passes, kv_heads, group, head_dim, window, softcap, turned, subset, held, seed):
        g = torch.Generator().manual_seed(seed)
        self.tree = paths_of(random_parents(nodes, g))
        self.starts = torch.arange(batch) + held
        self.qkv = torch.randn(batch, nodes, kv_heads * (group + 2), head_dim, generator=g)
        turns = torch.randn(batch, nodes, 1, 2, dtype=torch.complex64, generator=g)
        self.turns = turns if turned else None
        self.rows = torch.randperm(batch + 1, generator=g)[:batch] if subset else None
        self.caches = [
            torch.full((batch + 1, kv_heads, held + batch + nodes + 3, head_dim), float("nan")) for _ in range(2)
        ]
        for row, start in enumerate(self.starts.tolist()):  # slots that nobody wrote stay NaN, and must not show
            for cache in self.caches:
                cache[self.place(row), :, :start] = torch.randn(kv_heads, start, head_dim, generator=g)
        self.options = {"scale": head_dim**-0.5, "window": window, "softcap": softcap}
        cuts = sorted({0, nodes, *torch.randint(0, nodes, (passes - 1,), generator=g).tolist()})
        self.passes = list(pairwise(cuts))

    def place(self, row):
        return row if self.rows is None else int(self.rows[row])

    def run(self, impl):
        """``[R, nodes, H, d]``, and the caches afterwards."""
        caches, outs = [cache.clone() for cache in self.caches], []
        for first, end in self.passes:
            turns = None if self.turns is None else self.turns[:, first:end].contiguous()
            outs.append(
                attention(
                    self.qkv[:, first:end].clone(), turns, *caches, self.rows, self.starts + first,
                    tree=self.tree[first:end].contiguous(), impl=impl, **self.options,
                )
            )  # fmt: skip
        return torch.cat(outs, 1), caches

    def chain(self, row, node):
        """What ``node`` gets where its path is all that follows the text."""
        path = [int(i) for i in self.tree[node] if i >= 0]
        turns = None if self.turns is None else self.turns[row : row + 1, path].contiguous()
        caches = [cache[self.place(row) : self.place(row) + 1].clone() for cache in self.caches]
        out = attention(
            self.qkv[row : row + 1, path].contiguous(), turns, *caches, None, self.starts[row : row + 1], impl="torch",
            **self.options,
        )  # fmt: skip
        return out[0, -1]


@settings(max_examples=40, deadline=None)
@given(**TREES)
def test_a_token_sees_the_text_and_its_path_alone(**case):
    case = Case(**case)
    got, _ = case.run("torch")
    for row in range(len(case.starts)):
        for node in range(len(case.tree)):
            assert_close(got[row, node], case.chain(row, node), worst=1e-4, rms=1e-5, floor=0.1)


@settings(max_examples=40, deadline=None)
@given(**TREES)
def test_the_compiled_kernel_is_the_reference(**case):
    case = Case(**case)
    (expected, wrote), (got, caches) = case.run("torch"), case.run("numba")
    assert_close(got, expected, worst=1e-4, rms=1e-5)
    for cache, reference in zip(caches, wrote, strict=True):
        assert torch.equal(cache.isnan(), reference.isnan())
        assert_close(cache.nan_to_num(), reference.nan_to_num())


@pytest.mark.parametrize("impl", ["torch", "numba"])
def test_a_path_is_a_chain(impl):
    g = torch.Generator().manual_seed(0)
    qkv = torch.randn(2, 7, 4, 8, generator=g)
    start, caches = torch.tensor([4, 2]), [torch.randn(2, 1, 12, 8, generator=g) for _ in range(2)]
    chain = attention(qkv.clone(), None, *caches, None, start, scale=0.3, window=5, impl=impl)
    tree = paths_of([-1, *range(6)])
    got = attention(qkv.clone(), None, *caches, None, start, scale=0.3, window=5, tree=tree, impl=impl)
    assert_close(got, chain, worst=1e-5, rms=1e-5)


def test_depths_and_roots():
    tree = paths_of([-1, 0, 0, 2, 1, 2])
    assert depths(tree).tolist() == [0, 1, 1, 2, 2, 2]
    assert roots(torch.tensor([7, 9]), tree).tolist() == [7, 9]
    assert roots(torch.tensor([11, 13]), tree[4:]).tolist() == [7, 9]


def test_half_a_layer_takes_a_tree_by_its_single_ops():
    g = torch.Generator().manual_seed(0)
    weights = AttentionWeights(
        torch.randn(32, 24, generator=g), None, torch.randn(24, 16, generator=g), None, 8, 0.3, None, None
    )
    x, sums = torch.randn(6, 24, generator=g), {}
    for impl in ("torch", "numba"):
        sums[impl], caches = x.clone(), (torch.zeros(1, 1, 9, 8), torch.zeros(1, 1, 9, 8))
        tree = paths_of([-1, 0, 0, 1, 1, 2])
        AttentionBlock(weights, Around(), impl)(sums[impl], 1, None, *caches, None, torch.tensor([2]), tree)
    assert_close(sums["numba"], sums["torch"], worst=1e-3, rms=1e-5)


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        (torch.zeros(2, 1, dtype=torch.int32), r"tree has shape \(2, 1\), expected \(3, any\)"),
        (torch.zeros(3, 1, dtype=torch.int64), "tree is torch.int64, expected torch.int32"),
        (torch.zeros(2, 3, dtype=torch.int32).t(), "tree has strides"),
    ],
)
def test_a_tree_that_does_not_fit_is_refused(tree, problem):
    caches = torch.zeros(1, 1, 9, 8), torch.zeros(1, 1, 9, 8)
    with pytest.raises(ContractError, match=problem):
        attention(
            torch.zeros(1, 3, 4, 8), None, *caches, None, torch.tensor([0]), scale=1.0, tree=tree, impl="numba"
        )  # fmt: skip
