"""Every family against transformers, fp32, eager attention."""

import pytest
import torch
from tiny_decoders import all_logits, in_pieces, load, new_cache
from tiny_models import VARIANTS, random_tokens, reference_logits, relative_error, save_model

from sirius_cli.engine.models.families import read_config

LIMIT = 1e-4
LENGTH = 24


@pytest.mark.parametrize("name", VARIANTS)
def test_prefill_steps_and_chunks_match_transformers(name, tiny_model):
    folder, model = tiny_model(name)
    decoder, tokens = load(folder), random_tokens(1, LENGTH, seed=1)
    want = reference_logits(model, tokens)
    for sizes in ([LENGTH], [1] * LENGTH, [5, 11, 1, 7]):
        got = in_pieces(decoder, tokens, sizes)
        assert got.dtype is torch.float32
        assert relative_error(got, want) <= LIMIT, sizes


@pytest.mark.parametrize("name", VARIANTS)
def test_ragged_batch_matches_each_row_alone(name, tiny_model):
    folder, model = tiny_model(name)
    decoder, lengths, more = load(folder), [9, 3, 14], 6
    tokens = random_tokens(3, max(lengths) + more, seed=2)
    want = [reference_logits(model, row[: n + more][None])[0] for row, n in zip(tokens, lengths, strict=True)]
    cache = new_cache(decoder, rows=3)
    padded = tokens[:, : max(lengths)].clone()
    for row, length in enumerate(lengths):
        padded[row, length:] = 0
    logits = all_logits(decoder, decoder.run(padded, torch.zeros(3, dtype=torch.int64), cache))
    for row, length in enumerate(lengths):
        assert relative_error(logits[row, :length], want[row][:length]) <= LIMIT, row
    for step in range(more):
        at = torch.tensor(lengths) + step
        got = all_logits(decoder, decoder.run(tokens[torch.arange(3), at][:, None], at, cache))
        for row, position in enumerate(at.tolist()):
            assert relative_error(got[row, 0], want[row][position]) <= LIMIT, (row, position)


def test_chosen_rows_use_their_own_cache_rows(tiny_model):
    folder, model = tiny_model("qwen3")
    decoder, tokens = load(folder), random_tokens(3, 12, seed=3)
    want = reference_logits(model, tokens)
    cache = new_cache(decoder, rows=3)
    decoder.run(tokens[:, :8], torch.zeros(3, dtype=torch.int64), cache)
    rows, start = torch.tensor([2, 0]), torch.tensor([8, 8])
    got = all_logits(decoder, decoder.run(tokens[rows, 8:11], start, cache, rows=rows))
    assert relative_error(got, want[rows, 8:11]) <= LIMIT
    one = torch.tensor([1])
    got = all_logits(decoder, decoder.run(tokens[one, 8:11], torch.tensor([8]), cache, rows=one))
    assert relative_error(got, want[one, 8:11]) <= LIMIT


def test_longrope_keeps_to_its_original_context(tiny_model):
    folder, _ = tiny_model("phi3-longrope")
    assert read_config(folder).max_positions == 64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama", "gemma3_text", "olmo2", "phi3-partial", "opt"])
def test_half_precision_stays_near_fp32(name, dtype, tiny_model):
    folder, model = tiny_model(name)
    decoder, tokens = load(folder, dtype), random_tokens(1, LENGTH, seed=4)
    got = in_pieces(decoder, tokens, [10, 1, 13])
    assert got.dtype is torch.float32
    assert relative_error(got, reference_logits(model, tokens)) <= (0.1 if dtype is torch.bfloat16 else 0.015)


def test_padding_may_stand_beyond_the_learned_positions(tmp_path):
    model = save_model(tmp_path, "opt", max_position_embeddings=10)
    decoder, tokens = load(tmp_path), random_tokens(2, 10, seed=5)
    want = reference_logits(model, tokens)
    cache = new_cache(decoder, rows=2, capacity=16)
    decoder.run(tokens[:, :6], torch.zeros(2, dtype=torch.int64), cache)
    got = all_logits(decoder, decoder.run(torch.stack((tokens[0, 6:], tokens[1, 2:6])), torch.tensor([6, 2]), cache))
    assert relative_error(got, torch.stack((want[0, 6:], want[1, 2:6]))) <= LIMIT
    step = torch.tensor([[tokens[0, 9], 0, 0, 0], tokens[1, 6:].tolist()])
    got = all_logits(decoder, decoder.run(step, torch.tensor([9, 6]), cache))
    assert relative_error(got[0, 0], want[0, 9]) <= LIMIT
    assert relative_error(got[1], want[1, 6:]) <= LIMIT


def test_the_mlp_can_be_replaced_layer_by_layer(tiny_model):
    folder, _ = tiny_model("llama")
    decoder, tokens, seen = load(folder), random_tokens(1, 4), []

    def no_mlp(layer, x, block, ops):
        seen.append((layer, tuple(x.shape), block.weights is decoder.weights.layers[layer].mlp, ops is decoder.ops))

    start = torch.tensor([0])
    without = decoder.run(tokens, start, new_cache(decoder), mlp=no_mlp)
    assert seen == [(layer, (4, 48), True, True) for layer in range(3)]
    assert not torch.allclose(without, decoder.run(tokens, start, new_cache(decoder)))
