"""The bytes that a step is said to move, against what the reference ops are seen to touch."""

from dataclasses import replace

import pytest
import torch
from tiny_decoders import load, new_cache
from torch.utils._python_dispatch import TorchDispatchMode

from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.drafts import make_policy
from sirius_cli.engine.drafts.policy import WeightSizes
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.models.counts import parameter_counts
from sirius_cli.engine.models.decoder import dense_mlp
from sirius_kernels.quant.rounding import quantised
from sirius_kernels.traffic import BANDWIDTHS, LLAMA_8B, Bytes, StepShape, coded_size, step_bytes, window_bytes

PICKS = ("index", "embedding")  # read no more than they give


class Counting(TorchDispatchMode):
    """Counts the bytes that operations read of ``weights`` and ``cache``, and write to ``cache``."""

    def __init__(self, weights, cache):
        super().__init__()
        self.kinds = {tensor.untyped_storage().data_ptr(): "weights" for tensor in weights}
        self.kinds |= {tensor.untyped_storage().data_ptr(): "cache" for tensor in cache}
        self.seen = {"weights": 0, "cache": 0, "written": 0}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        for place, tensor in enumerate(args):
            kind = isinstance(tensor, torch.Tensor) and self.kinds.get(tensor.untyped_storage().data_ptr())
            if not kind or func.is_view:
                continue
            if name == "index_put_" and place == 0:
                self.seen["written"] += args[2].nbytes
            else:
                self.seen[kind] += out.nbytes if name in PICKS else tensor.nbytes
        return out


def tensors_of(weights):
    """All tensors of a tree of dataclasses, without the embedding."""
    found = []
    for name in weights.__slots__ if hasattr(weights, "__slots__") else vars(weights):
        value = getattr(weights, name)
        if isinstance(value, torch.Tensor) and name != "embedding":
            found.append(value)
        elif isinstance(value, tuple | list):
            found += [tensor for one in value for tensor in tensors_of(one)]
        elif hasattr(value, "__dataclass_fields__"):
            found += tensors_of(value)
    return found


@pytest.mark.parametrize(("method", "tokens"), [("dense", 1), ("dense", 5), ("coarse", 1), ("fine", 1)])
def test_a_step_touches_what_is_said(method, tokens, tiny_model):
    decoder = load(tiny_model("llama")[0])
    config, context = decoder.config, 7
    cache = new_cache(decoder, capacity=context + tokens)  # the reference looks at all slots, kernels at those in use
    decoder.run(torch.ones(1, context, dtype=torch.int64), torch.tensor([0]), cache)
    mlp = dense_mlp
    if method != "dense":
        statistic = NeuronStatistic(decoder.down_norms, 1)
        spec, counts = DraftSpec(method=method, keep=0.4), parameter_counts(config)
        mlp = make_policy(spec, statistic, config.intermediate_size, 1, counts, WeightSizes(), decoder.ops)
        mlp.begin(0)
    with Counting(tensors_of(decoder.weights), (*cache.k, *cache.v)) as counting:
        hidden = decoder.run(torch.ones(1, tokens, dtype=torch.int64), torch.tensor([context]), cache, mlp=mlp)
        decoder.logits(hidden[0])
    shape = StepShape(
        len(config.layers), config.hidden_size, config.intermediate_size, 2, config.heads, config.kv_heads,
        config.head_dim, decoder.weights.head.shape[0], itemsize=4,
    )  # fmt: skip
    active = None if method == "dense" else int(0.4 * config.intermediate_size)
    assert Bytes(**counting.seen) == step_bytes(shape, tokens, context, method, active)


def test_a_dense_step_of_llama_reads_what_others_say_of_it():
    """15.0 GB: 1.34 billion parameters of attention, 5.64 of MLPs and 0.53 of the head, two bytes each."""
    assert step_bytes(LLAMA_8B, 1, 0).weights / 2e9 == pytest.approx(1.34 + 5.64 + 0.53, abs=0.01)
    assert 1 / step_bytes(LLAMA_8B, 1, 0).floor(BANDWIDTHS["H100"]) == pytest.approx(223, abs=1)
    assert 1 / step_bytes(LLAMA_8B, 1, 0).floor(BANDWIDTHS["A100"]) == pytest.approx(136, abs=1)


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("bits", [8, 4])
def test_a_coded_weight_has_its_share_of_what_is_stored(bits, group):
    matrix = quantised(torch.randn(6, 256), bits, group)
    stored = matrix.codes.nbytes + matrix.scales.nbytes
    assert 6 * 256 * coded_size(bits, group) == stored


def test_a_step_over_codes_reads_all_matrices_as_codes_and_the_cache_as_it_is():
    native, coded = step_bytes(LLAMA_8B, 1, 100), step_bytes(LLAMA_8B, 1, 100, size=coded_size(4, 32))
    norms = 4 * LLAMA_8B.hidden * (2 * LLAMA_8B.layers + 1)
    assert (coded.cache, coded.written) == (native.cache, native.written)
    assert (coded.weights - norms) / (native.weights - norms) == coded_size(4, 32) / LLAMA_8B.itemsize


def test_a_window_is_its_drafts_and_its_check():
    shape = replace(LLAMA_8B, layers=2)
    drafts = [step_bytes(shape, 1, 10 + place, "coarse", 100) for place in range(3)]
    assert window_bytes(shape, 4, 10, "coarse", 100) == sum(drafts, step_bytes(shape, 4, 10))
