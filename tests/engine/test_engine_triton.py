"""An engine on the Triton kernels, in Triton's interpreter, writes what one on the torch ops does.

Windows and passes run as programs there, as on a GPU. More drafts are compared by the GPU suite
(kernels/bench/gpu/texts.py).
"""

import pytest
from engines import ids_of, make_engine, profile
from tiny_models import random_tokens

from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.backend import Ops, torch_ops


def prompt(length, seed=0):
    return tuple(random_tokens(1, length, seed=seed)[0].tolist())


@pytest.mark.parametrize(("name", "method"), [("opt", "dense"), ("gemma2", "fine")])
def test_the_same_tokens_and_windows(name, method, tiny_model):
    request = GenerationRequest(prompt(5), max_new_tokens=4)
    runs = []
    for ops in (torch_ops(), Ops("triton", "test")):
        engine = make_engine(tiny_model(name)[0], ops=ops)
        engine.programs = ops.impl == "triton"
        engine.profile = profile(method, window=3, accept="exact", confidence=0.0)
        runs.append(list(engine.generate(request)))
    on_torch, on_triton = runs
    assert ids_of(on_triton) == ids_of(on_torch)
    assert fold(on_triton).advances == fold(on_torch).advances


def test_trees(tiny_model):
    request, runs = GenerationRequest(prompt(5), max_new_tokens=4), []
    for ops in (torch_ops(), Ops("triton", "test")):
        engine = make_engine(tiny_model("llama")[0], ops=ops)
        engine.programs = ops.impl == "triton"
        engine.profile = profile("coarse", window=3, tree_width=2, accept="exact")
        runs.append(list(engine.generate(request)))
    assert ids_of(runs[1]) == ids_of(runs[0])
    assert fold(runs[1]).advances == fold(runs[0]).advances


def test_rows_of_a_batch(tiny_model):
    requests = [GenerationRequest(prompt(length, seed=length), max_new_tokens=3) for length in (3, 6)]
    runs = []
    for ops in (torch_ops(), Ops("triton", "test")):
        engine = make_engine(tiny_model("llama")[0], ops=ops)
        engine.programs = ops.impl == "triton"
        engine.profile = profile("coarse", window=3)
        runs.append(list(engine.generate_batch(requests)))
    for row in range(2):
        assert ids_of(runs[1], row) == ids_of(runs[0], row)
