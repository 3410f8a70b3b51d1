"""The static cache: slots, capacity, marks, and that drafting leaves no trace after a rewind."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_model

from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.families import convert
from sirius_kernels.attention.reference import write

CONFIG = convert(make_model("qwen3").config)


def new_cache(rows: int = 2, capacity: int = 9, dtype: torch.dtype = torch.float32) -> KVCache:
    return KVCache(CONFIG, rows, capacity, dtype=dtype)


def write_both(cache, layer, rows, start, k, v):
    write(cache.k[layer], k, rows, start)
    write(cache.v[layer], v, rows, start)


def random_kv(rows: int, steps: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, steps, CONFIG.kv_heads, CONFIG.head_dim)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layout_and_size(dtype):
    cache = new_cache(rows=2, capacity=9, dtype=dtype)
    assert [tensor.shape for tensor in cache.k] == [(2, CONFIG.kv_heads, 9, CONFIG.head_dim)] * 3
    assert cache.lengths == [0, 0]
    assert cache.bytes == 2 * 3 * 2 * CONFIG.kv_heads * 9 * CONFIG.head_dim * dtype.itemsize


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_write_fills_its_slots_and_no_others(data):
    rows = data.draw(st.permutations(range(3)).flatmap(lambda order: st.sampled_from([None, order[:1], order[:2]])))
    count = data.draw(st.integers(1, 3)) if rows is None else len(rows)
    steps = data.draw(st.integers(1, 4))
    start = data.draw(st.lists(st.integers(0, 9 - steps), min_size=count, max_size=count))
    cache = new_cache(rows=3)
    for tensor in (*cache.k, *cache.v):
        tensor.zero_()
    k, v = random_kv(count, steps)
    index = None if rows is None else torch.tensor(rows)
    write_both(cache, 1, index, torch.tensor(start), k, v)
    want_k, want_v = torch.zeros_like(cache.k[1]), torch.zeros_like(cache.v[1])
    for place, row in enumerate(range(count) if rows is None else rows):
        for step in range(steps):
            want_k[row, :, start[place] + step] = k[place, step]
            want_v[row, :, start[place] + step] = v[place, step]
    assert torch.equal(cache.k[1], want_k)
    assert torch.equal(cache.v[1], want_v)
    assert not any(tensor.any() for layer in (0, 2) for tensor in (cache.k[layer], cache.v[layer]))


@pytest.mark.parametrize("start", [[7], [0, 7]])
def test_a_write_beyond_the_capacity_is_refused(start):
    cache = new_cache()
    cache.expect_room(start, 2)
    with pytest.raises(IndexError, match="3 tokens from position 7 exceed 9 slots"):
        cache.expect_room(start, 3)


def test_rewind_after_mark_restores_the_committed_cache_bit_for_bit():
    cache = new_cache(rows=1)
    zero = torch.tensor([0])
    write_both(cache, 0, None, zero, *random_kv(1, 5))
    cache.advance(0, 5)
    mark = cache.mark(0)
    before = cache.k[0][:, :, :mark].clone(), cache.v[0][:, :, :mark].clone()
    write_both(cache, 0, None, torch.tensor([mark]), *random_kv(1, 4, seed=1))
    cache.advance(0, 4)
    cache.rewind(0, mark)
    assert cache.lengths == [5]
    assert torch.equal(cache.k[0][:, :, :mark], before[0])
    assert torch.equal(cache.v[0][:, :, :mark], before[1])


def test_lengths_move_row_by_row_within_bounds():
    cache = new_cache()
    cache.advance(1, 9)
    assert cache.lengths == [0, 9]
    with pytest.raises(IndexError, match=r"9 \+ 1 tokens in 9 slots"):
        cache.advance(1, 1)
    with pytest.raises(IndexError, match="row 1 from 9 to 10"):
        cache.rewind(1, 10)
    with pytest.raises(IndexError, match="row 0 from 0 to -1"):
        cache.rewind(0, -1)
    cache.rewind(1, 2)
    assert cache.lengths == [0, 2]


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 3), places=st.sets(st.integers(0, 5), min_size=1))
def test_what_is_gathered_lies_right_behind_the_text_and_nothing_before_it_moved(length, places):
    cache, chosen = new_cache(), sorted(places)
    for tensor in (*cache.k, *cache.v):
        tensor.copy_(torch.randn(tensor.shape))
    cache.lengths[1] = length
    before = [tensor.clone() for tensor in (*cache.k, *cache.v)]
    cache.gather(1, chosen)
    for tensor, old in zip((*cache.k, *cache.v), before, strict=True):
        assert torch.equal(tensor[0], old[0])
        assert torch.equal(tensor[1, :, :length], old[1, :, :length])
        assert torch.equal(tensor[1, :, length : length + len(chosen)], old[1][:, [length + i for i in chosen]])
    assert cache.lengths == [0, length]
