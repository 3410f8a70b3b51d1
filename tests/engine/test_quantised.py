"""Drafts that read a quantised copy of the weights: what they promise, cost and refuse."""

from dataclasses import replace

import pytest
import torch
from engines import DENSE, drafts_of, generate, ids_of, make_engine, profile, prompt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirius_cli.config.resolve import resolve_profile
from sirius_cli.core.metrics import fold
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine import memory
from sirius_cli.engine.backend import Ops, torch_ops
from sirius_cli.engine.drafts import quantised
from sirius_cli.engine.drafts.copy_files import read_copy, write_copy
from sirius_cli.engine.drafts.inputs import inputs_on
from sirius_cli.engine.drafts.making import copy_of, quantise, rounded_parts
from sirius_cli.engine.drafts.quantised import CopyFormat, copy_bytes, expect_memory, stored_bytes
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_kernels.quant.matrix import QuantMatrix
from sirius_kernels.quant.rounding import output_error

NUMBA = Ops("numba", "test")
PARTS = ("qkv", "out", "gate_up", "down_t")
fuzz = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def engine(tiny_model):
    return make_engine(tiny_model("llama-blocks")[0], ops=NUMBA)


@fuzz
@given(
    method=st.sampled_from(["dense", "coarse", "fine"]),
    precision=st.sampled_from(["int8", "int4"]),
    group=st.sampled_from([32, 64, 128]),
    window=st.integers(1, 12),
    keep=st.sampled_from([0.1, 0.5, 1.0]),
    confidence=st.sampled_from([0.0, 0.3]),
    compiled=st.booleans(),
    programs=st.booleans(),
    seed=st.integers(0, 20),
)
def test_exact_is_dense_whatever_the_copy(
    method, precision, group, window, keep, confidence, compiled, programs, seed, tiny_model
):
    engine = make_engine(tiny_model("llama-blocks")[0], ops=NUMBA if compiled else torch_ops())
    request = GenerationRequest(prompt(9, seed), max_new_tokens=25)
    dense = ids_of(generate(engine, DENSE, request))
    engine.programs = programs
    chosen = profile(
        method, keep=keep, precision=precision, group=group, accept="exact", window=window, confidence=confidence
    )
    assert ids_of(generate(engine, chosen, request)) == dense


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("method", ["dense", "coarse", "fine"])
def test_compiled_and_reference_ops_draft_the_same(method, precision, tiny_model):
    folder, scores = tiny_model("llama-blocks")[0], []
    for ops in (NUMBA, torch_ops()):
        engine = make_engine(folder, ops=ops)
        engine.profile = profile(method, precision=precision, enabled=False)
        scores.append(engine.score(prompt(), [[3, 5, 7]])[0].logprob)
    assert scores[0] == pytest.approx(scores[1], rel=0.02)  # compiled ops may round activations, which moves little


def test_more_bits_are_nearer_to_the_model(engine):
    request = GenerationRequest(prompt(), max_new_tokens=60)
    aal = {}
    for precision in ("int8", "int4"):
        chosen = profile("dense", precision=precision, accept="exact", window=8)
        aal[precision] = fold(generate(engine, chosen, request)).aal
    assert aal["int8"] > aal["int4"] > 1.0


def test_a_batch_drafts_with_the_copy_too(engine):
    chosen = profile("dense", precision="int4", accept="exact", window=5)
    requests = [GenerationRequest(prompt(5 + n, n), max_new_tokens=20) for n in range(3)]
    engine.profile = chosen
    together = list(engine.generate_batch(requests))
    for row, request in enumerate(requests):
        assert ids_of(together, row) == ids_of(generate(engine, chosen, request))


def test_reads_are_those_of_the_copy(engine):
    counts = engine.counts
    for precision, group, bits in (("int8", 64, 8 + 16 / 64), ("int4", 32, 4 + 16 / 32)):
        engine.profile = profile("dense", precision=precision, group=group)
        cost = engine.draft_cost
        assert cost.density == 1.0
        assert cost.read == pytest.approx((counts.read - counts.matrices + counts.matrices * bits / 32) / counts.read)
    held = engine.drafters.of(engine.profile.draft).weights
    layer = held.layers[0]
    total = len(held.layers) * sum(m.nbytes for m in (layer.qkv, layer.out, layer.mlp.gate_up, layer.mlp.down_t))
    assert total + held.head.nbytes == copy_bytes(CopyFormat(4, 32), counts)


def test_matrices_that_keep_8_bits_are_counted_as_such_and_used(engine):
    counts, spec = engine.counts, DraftSpec(method="dense", precision="int4", group=32, int8="down+head")
    assert spec.words == "dense int4 g32 int8 head+down"
    weights = engine.drafters.of(spec).weights
    bits = (weights.head.bits, *(m.bits for m in (weights.layers[0].qkv, weights.layers[0].out)))
    assert (*bits, weights.layers[0].mlp.gate_up.bits, weights.layers[0].mlp.down_t.rows.bits) == (8, 4, 4, 4, 8)
    layer = weights.layers[0]
    total = sum(m.nbytes for m in (layer.qkv, layer.out, layer.mlp.gate_up, layer.mlp.down_t)) * len(weights.layers)
    found = quantised.format_of(spec)
    assert total + weights.head.nbytes == copy_bytes(found, counts) == stored_bytes(engine.model.weights, found)
    engine.profile = Profile(draft=spec, correction=CorrectionSpec(accept="exact"))
    assert engine.draft_cost.read * counts.read * 4 == pytest.approx(
        (counts.read - counts.matrices) * 4 + copy_bytes(found, counts)
    )
    request = GenerationRequest(prompt(), max_new_tokens=20)
    assert ids_of(generate(engine, engine.profile, request)) == ids_of(generate(engine, DENSE, request))


@pytest.mark.parametrize("named", ["head+tail", 8, ["head"], "head,down"])
def test_a_matrix_that_no_copy_has_is_refused(named):
    with pytest.raises(ValueError, match=r"of head, qkv, out, gate_up, down, with \+ between"):
        DraftSpec(precision="int4", int8=named)


def test_scores_of_the_draft_alone_are_those_of_the_copy(engine):
    text, more = prompt(), [3, 5, 7]
    engine.profile = DENSE
    (dense,) = engine.score(text, [more])
    engine.profile = profile("dense", precision="int4", enabled=False)
    (copied,) = engine.score(text, [more])
    engine.profile = profile("dense", precision="int4")
    (checked,) = engine.score(text, [more])
    assert copied.logprob != dense.logprob
    assert copied.logprob == pytest.approx(dense.logprob, rel=0.2)
    assert checked.logprob == dense.logprob


def test_a_copy_is_made_once_for_all_twins(engine):
    made = []

    def maker(native, found):
        made.append(found)
        return quantise(native, found)

    engine.drafters.maker = maker
    spec = DraftSpec(method="dense", precision="int8")
    twin = engine.twin(DENSE)
    assert engine.drafters.of(spec) is twin.drafters.of(spec)
    assert engine.drafters.of(replace_group(spec, 64)) is not engine.drafters.of(spec)
    assert made == [CopyFormat(8, 32, by_neuron=False), CopyFormat(8, 64, by_neuron=False)]


def test_neurons_that_do_not_divide_keep_the_down_projection_by_neuron(tiny_model):
    engine = make_engine(tiny_model("llama-odd-neurons")[0])
    request = GenerationRequest(prompt(), max_new_tokens=12)
    chosen = profile("dense", precision="int8", accept="exact")
    assert ids_of(generate(engine, chosen, request)) == ids_of(generate(engine, DENSE, request))
    assert isinstance(engine.drafters.of(chosen.draft).weights.layers[0].mlp.down_t, QuantMatrix)


def replace_group(spec, group):
    return spec.model_copy(update={"group": group})


def test_a_group_that_does_not_divide_is_refused(tiny_model):
    engine = make_engine(tiny_model("llama")[0])  # 48 wide
    with pytest.raises(UsageError, match="cannot be drafted with groups of 32: rows of 48 weights") as refused:
        engine.drafters.of(DraftSpec(method="dense", precision="int4"))
    assert refused.value.hint == quantised.WITHOUT_COPY


@pytest.mark.parametrize(
    ("name", "overrides"), [(None, {"draft.precision": ("native", "flag --draft-precision")}), ("sirius", {})]
)
def test_a_model_that_cannot_have_the_default_answers_as_the_error_says(name, overrides, tiny_model):
    engine = make_engine(tiny_model("llama")[0])  # 48 wide
    request = GenerationRequest(prompt_ids=tuple(prompt(5)), max_new_tokens=4)
    with pytest.raises(UsageError, match="--draft-precision native, or --profile sirius"):
        list(engine.twin(resolve_profile(None, {}, {}).profile).generate(request))
    answer = list(engine.twin(resolve_profile(name, overrides, {}).profile).generate(request))
    assert len(ids_of(answer)) == 4


def test_the_group_that_is_offered_fits_every_matrix(engine):
    rows = torch.zeros(8, 128)
    mlp = replace(engine.model.weights.layers[0].mlp, gate_up=torch.zeros(8, 2, 128), down_t=rows)
    layer = replace(engine.model.weights.layers[0], qkv=rows, out=torch.zeros(128, 192), mlp=mlp)
    weights = replace(engine.model.weights, head=rows, layers=(layer,))
    with pytest.raises(UsageError, match="groups of 128: rows of 192 weights") as refused:
        quantised.expect_fit(weights, CopyFormat(8, 128))
    assert refused.value.hint == "give --draft-group 64"


CPU = torch.device("cpu")


def test_too_little_memory_is_told_with_figures(engine, monkeypatch):
    counts = replace(engine.counts, total=1_500_000_000)
    counts = replace(counts, head=counts.head + 1_400_000_000 - counts.matrices)
    monkeypatch.setattr(quantised, "free_bytes", lambda device: 6_500_000_000)
    expect_memory(counts, DraftSpec(), 4, CPU)
    with pytest.raises(EnvironmentProblem, match=r"6\.0 GB and 0\.8 GB for the int4 copy of memory") as refused:
        expect_memory(counts, DraftSpec(precision="int4"), 4, CPU)
    assert refused.value.hint.endswith("or do without a copy: --draft-precision native, or --profile sirius")
    monkeypatch.setattr(quantised, "free_bytes", lambda device: 5_000_000_000)
    with pytest.raises(EnvironmentProblem) as refused:
        expect_memory(counts, DraftSpec(precision="int4"), 4, CPU)
    assert refused.value.hint.endswith("use a smaller model or dtype")
    assert memory.free_bytes(CPU) > 0


def test_a_copy_that_memory_has_no_room_for_is_not_begun(engine, monkeypatch):
    monkeypatch.setattr(quantised, "free_bytes", lambda device: 1000)
    with pytest.raises(EnvironmentProblem, match=r"an int8 copy of the weights needs.*--profile sirius"):
        engine.drafters.of(DraftSpec(precision="int8"))
    engine.drafters.of(DraftSpec())


@pytest.mark.parametrize("text", [[], prompt(40)])
@pytest.mark.parametrize(
    "found",
    [
        CopyFormat(4, 32), CopyFormat(8, 128), CopyFormat(4, 64, by_neuron=False),
        CopyFormat(4, 32, by_neuron=False, int8=("head", "out", "down_t")),
    ],
)  # fmt: skip
def test_a_copy_comes_back_from_disk_as_it_was(found, text, engine, tmp_path):
    weights, told = engine.model.weights, []
    losses = write_copy(tmp_path, rounded_parts(engine.model, found, text), told.append)
    assert {name: len(each) for name, each in losses.items()} == {"head": 1} | dict.fromkeys(PARTS, 3)
    assert all(0 < loss < (0.2 if found.bits == 4 else 0.02) for each in losses.values() for loss in each)
    assert (len(told), told[-1]) == (4, stored_bytes(weights, found))
    again, fresh = read_copy(tmp_path, weights, found), copy_of(rounded_parts(engine.model, found, text), found)
    for ours, theirs in zip([again.head, *again.layers], [fresh.head, *fresh.layers], strict=True):
        parts = PARTS if hasattr(ours, "qkv") else (None,)
        for part in parts:
            left, right = (ours, theirs) if part is None else (getattr(ours, part), getattr(theirs, part))
            assert type(left) is type(right)
            left, right = getattr(left, "rows", left), getattr(right, "rows", right)
            assert torch.equal(left.codes, right.codes)
            assert torch.equal(left.scales, right.scales)


@pytest.mark.parametrize("harm", ["cut", "missing", "other"])
def test_a_torn_copy_is_not_used(harm, engine, tmp_path):
    weights, found = engine.model.weights, CopyFormat(8, 32)
    write_copy(tmp_path, rounded_parts(engine.model, found), lambda done: None)
    file = tmp_path / "layer-001.safetensors"
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif harm == "missing":
        file.unlink()
    else:
        found = CopyFormat(4, 32)
    with pytest.raises(ModelError, match="cannot be used"):
        read_copy(tmp_path, weights, found)


def test_a_draft_without_checks_differs_and_says_what_it_is(engine):
    request = GenerationRequest(prompt(), max_new_tokens=20)
    alone = generate(engine, profile("dense", precision="int4", enabled=False), request)
    assert len(ids_of(alone)) == 20
    assert drafts_of(alone)
    assert DraftSpec(method="dense", precision="int4").words == "dense int4 g32"
    assert DraftSpec(keep=0.4).words == "coarse 0.4"


@pytest.mark.parametrize("name", ["llama-blocks", "opt"])
@pytest.mark.parametrize("ops", [NUMBA, torch_ops()], ids=["compiled", "reference"])
def test_inputs_are_those_that_give_what_a_pass_gives(name, ops, tiny_model):
    model = make_engine(tiny_model(name)[0], ops=ops).model
    text = prompt(12)
    *layers, head = inputs_on(model, text)
    hidden = torch.stack([ops.mlp_hidden(
        layer["gate_up"], w.mlp.gate_up, w.mlp.bias, activation=w.mlp.activation
    ) for layer, w in zip(layers, model.weights.layers, strict=True)])  # fmt: skip
    torch.testing.assert_close(hidden, torch.stack([layer["down_t"] for layer in layers]))
    cache = KVCache(model.config, 1, 12, dtype=torch.float32)
    last = model.run(torch.tensor([text]), torch.tensor([0]), cache)[0]
    torch.testing.assert_close(head["head"], last, atol=1e-4, rtol=1e-4)
    spec, first = model.config, model.weights.layers[0]
    qkv = ops.linear(layers[0]["qkv"], first.qkv, first.qkv_bias).view(12, -1, spec.head_dim)
    values = qkv[:, spec.heads + spec.kv_heads :].transpose(0, 1)
    torch.testing.assert_close(cache.v[0][0], values, atol=1e-4, rtol=1e-4)
    assert layers[0]["out"].shape == (12, spec.heads * spec.head_dim)


def test_a_copy_rounded_by_a_text_loses_less_on_it(engine):
    found, text = CopyFormat(4, 64, by_neuron=False), prompt(60)
    ways = [rounded_parts(engine.model, found, chosen) for chosen in (text, ())]
    native = rounded_parts(engine.model, CopyFormat(8, 32, by_neuron=False))
    lost = [0.0, 0.0]
    for inputs, whole, *parts in zip(inputs_on(engine.model, text), native, *ways, strict=True):
        for name, x in inputs.items():
            weights, *rounded = (part[name].matrix.dequantised(torch.float32) for part in (whole, *parts))
            lost = [
                one + output_error(x, weights.flatten(0, -2), rows.flatten(0, -2))
                for one, rows in zip(lost, rounded, strict=True)
            ]
    assert lost[0] < 0.7 * lost[1]
