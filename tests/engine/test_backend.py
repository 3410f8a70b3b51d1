"""Which implementation of the ops is chosen, and why."""

import sys

import pytest
import torch

from sirius_cli.engine.backend import choose_ops, describe
from sirius_kernels import cpu_jit


def test_a_cpu_runs_the_compiled_kernels_in_fp32_alone():
    assert choose_ops("cpu", torch.float32).impl == "numba"
    half = choose_ops("cpu", torch.bfloat16)
    assert (half.impl, half.reason) == ("torch", "the compiled CPU kernels take float32, not bfloat16")


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that there is a GPU of a compute capability."""

    def pretend(*capability):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    return pretend


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_gpu_runs_triton(dtype, gpu):
    pytest.importorskip("triton")
    gpu(9, 0)
    assert choose_ops("cuda:1", dtype).impl == "triton"


def test_an_old_gpu_runs_torch_and_says_why(gpu):
    pytest.importorskip("triton")
    gpu(7, 5)
    ops = choose_ops("cuda", torch.float16)
    assert (ops.impl, ops.reason) == ("torch", "Triton's kernels need compute capability 8.0, this GPU has 7.5")


def test_without_triton_a_gpu_runs_torch_and_says_why(gpu, monkeypatch):
    gpu(9, 0)
    monkeypatch.setitem(sys.modules, "triton", None)
    ops = choose_ops("cuda", torch.bfloat16)
    assert ops.impl == "torch"
    assert ops.reason.startswith("triton cannot be imported: ")


def test_amd_runs_torch_and_says_why(monkeypatch):
    monkeypatch.setattr(torch.version, "hip", "6.4")
    ops = choose_ops("cuda", torch.bfloat16)
    assert (ops.impl, ops.reason) == (
        "torch",
        "Triton's kernels have only been compiled for AMD's GPUs, not run on one",
    )


def test_other_devices_run_torch():
    ops = choose_ops("mps", torch.float16)
    assert (ops.impl, ops.reason) == ("torch", "Triton's kernels do not run on mps")


@pytest.mark.parametrize("there", [True, False])
def test_matrix_units_are_told_of_where_they_are(there, monkeypatch):
    monkeypatch.setattr(cpu_jit, "matrix_units", lambda: there)
    told = describe("cpu")
    assert told["attention"] == "numba (compiled for this processor)"
    assert ("matrix units" in told["linear"]) == ("matrix units" in told["mlp"]) == there
