"""The decoder against transformers over drawn sizes, and its passes against each other."""

import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_decoders import all_logits, in_pieces, load, new_cache
from tiny_models import random_tokens, reference_logits, relative_error, save_model

LIMIT = 1e-4
SIZES = st.fixed_dictionaries(
    {
        "num_key_value_heads": st.integers(1, 3),
        "group": st.integers(1, 3),
        "head_dim": st.integers(1, 9).map(lambda half: 2 * half),
        "intermediate_size": st.integers(1, 40),
        "vocab_size": st.integers(3, 90),
        "num_hidden_layers": st.integers(1, 3),
        "tie_word_embeddings": st.booleans(),
    }
)


@settings(max_examples=15, deadline=None)
@given(sizes=SIZES, family=st.sampled_from(["mistral", "qwen3"]), seed=st.integers(0, 99), cut=st.integers(1, 15))
def test_any_size_matches_transformers(sizes, family, seed, cut):
    heads = sizes["num_key_value_heads"] * sizes.pop("group")
    with tempfile.TemporaryDirectory() as name:
        model = save_model(Path(name), family, seed=seed, num_attention_heads=heads, hidden_size=heads * 6, **sizes)
        decoder = load(Path(name))
    tokens = random_tokens(1, 16, seed=seed, vocabulary=sizes["vocab_size"])
    assert relative_error(in_pieces(decoder, tokens, [cut, 16 - cut]), reference_logits(model, tokens)) <= LIMIT


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 10), min_size=1, max_size=4), steps=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_ragged_batch_equals_its_rows_alone(lengths, steps, seed, tiny_model):
    decoder = load(tiny_model("gemma3_text")[0])
    tokens = random_tokens(len(lengths), max(lengths) + steps, seed=seed)
    start = torch.tensor(lengths)
    cache = new_cache(decoder, rows=len(lengths))
    decoder.run(tokens[:, : max(lengths)], torch.zeros(len(lengths), dtype=torch.int64), cache)
    window = tokens.gather(1, start[:, None] + torch.arange(steps))
    together = all_logits(decoder, decoder.run(window, start, cache))
    for row, length in enumerate(lengths):
        alone = in_pieces(decoder, tokens[row : row + 1, : length + steps], [length, steps])
        assert relative_error(together[row], alone[0, length:]) <= 1e-5


def test_a_checked_window_overwrites_the_draft(tiny_model):
    """A pass over slots that hold leftovers gives the cache and the logits of a fresh prefill."""
    decoder = load(tiny_model("gemma2")[0])
    tokens, other = random_tokens(1, 20, seed=6), random_tokens(1, 20, seed=7)
    fresh, used = new_cache(decoder), new_cache(decoder)
    want = all_logits(decoder, decoder.run(tokens, torch.tensor([0]), fresh))
    decoder.run(tokens[:, :12], torch.tensor([0]), used)
    decoder.run(other[:, 12:], torch.tensor([12]), used)
    got = all_logits(decoder, decoder.run(tokens[:, 12:], torch.tensor([12]), used))
    assert relative_error(got, want[:, 12:]) <= 1e-5
    for mine, theirs in zip((*used.k, *used.v), (*fresh.k, *fresh.v), strict=True):
        torch.testing.assert_close(mine[:, :, :20], theirs[:, :, :20], rtol=1e-4, atol=1e-5)
