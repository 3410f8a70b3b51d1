"""Proof of the Triton kernels without a GPU: interpreted on the CPU, and lowered to the machine code of GPUs."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_kernels import tuned
from sirius_kernels.device import DeviceInfo
from sirius_kernels.gpu_config import RowsConfig, attention_config, down_config, rows_config

ROOT = Path(__file__).parents[2]
A100, RTX_4090, H100 = (
    DeviceInfo("A100", (8, 0), 108, 163 << 10),
    DeviceInfo("RTX 4090", (8, 9), 128, 99 << 10),
    DeviceInfo("H100", (9, 0), 132, 227 << 10),
)
triton = pytest.importorskip("triton", reason="Triton has no wheel for this platform")


def test_kernels_in_the_interpreter():
    """Triton decides on its import whether to interpret, hence a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/interpreted", "tests/engine/test_engine_triton.py"],
        cwd=ROOT, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout


@pytest.mark.parametrize(("gpu", "sizes"), [("sm80", [16]), ("sm90", [1, 64]), ("sm100", [64]), ("gfx942", [1])])
def test_kernels_lower_to_machine_code_within_the_limits_of(gpu, sizes):
    """Every op of an 8B model, at some numbers of tokens: nothing is spilled, and shared memory suffices."""
    command = [sys.executable, "kernels/bench/lower.py", "--json", "--only", gpu]
    command += [f"--tokens={tokens}" for tokens in sizes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    lowered = [json.loads(line) for line in done.stdout.splitlines()]
    assert Counter(one["tokens"] for one in lowered) == dict.fromkeys(sizes, 26)
    for one in lowered:
        assert one["shared"] <= one["limit"], one
        if gpu.startswith("sm"):
            assert one["stack"] == 0, one
            assert one["registers"] <= min(255, 65536 // (32 * one["warps"])), one


def test_a_weight_of_few_bits_takes_few_instructions():
    """Else an H100 would wait for them, and not for memory: at 3 TB/s it has time for five a weight of 4 bits."""
    command = [sys.executable, "kernels/bench/instructions.py", "--json", "--only", "sm90"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    taken = {one["op"]: one["instructions"] for one in map(json.loads, done.stdout.splitlines())}
    for bits, most in ((4, 3.2), (8, 2.8)):  # by the compiler; 2.6 and 2.3 by Triton 3.9
        for op in ("linear: head", "mlp_hidden"):
            assert 1 < taken[f"{op}, int{bits}"] <= most


@given(
    units=st.integers(1, 200_000),
    depth=st.integers(1, 20_000),
    rows=st.sampled_from([1, 2]),
    tokens=st.integers(1, 64),
    itemsize=st.sampled_from([2, 4]),
    gpu=st.sampled_from([A100, RTX_4090, H100]),
)
def test_blocks_of_rows_fit_the_device(units, depth, rows, tokens, itemsize, gpu):
    config = rows_config(units, depth, rows, tokens, itemsize, gpu)
    assert tokens <= config.tokens <= max(16, 2 * tokens)
    assert (config.tokens == 1) == (tokens == 1)
    loads = (config.units * rows + config.tokens) * config.depth * itemsize
    assert config.stages == 1 or config.stages * loads <= gpu.shared_memory


@given(
    units=st.integers(1, 200_000),
    depth=st.integers(1, 20_000),
    rows=st.sampled_from([1, 2]),
    gpu=st.sampled_from([A100, RTX_4090, H100]),
)
def test_a_thread_takes_32_codes_of_a_row_at_a_time(units, depth, rows, gpu):
    config = rows_config(units, depth, rows, 1, 2, gpu, codes=True)
    assert config.depth == 32 * 32 * config.warps
    assert config.depth <= max(1024, 2 * depth)
    assert config.units * rows in (2, 4, 8)


@given(
    picked=st.integers(1, 30_000),
    width=st.integers(1, 20_000),
    tokens=st.integers(1, 64),
    itemsize=st.sampled_from([2, 4]),
    gpu=st.sampled_from([A100, RTX_4090, H100]),
)
def test_shares_of_the_second_half_are_neither_too_many_nor_too_small(picked, width, tokens, itemsize, gpu):
    config = down_config(picked, width, tokens, itemsize, gpu)
    assert config.splits == 1 or picked // config.splits >= 2 * config.neurons
    assert config.splits == 1 or config.splits * -(-width // config.columns) <= 4 * gpu.multiprocessors


def test_a_draft_of_an_8b_model_keeps_every_multiprocessor_busy():
    for gpu in (A100, RTX_4090, H100):
        hidden = rows_config(7168, 4096, 2, 1, 2, gpu)
        down = down_config(7168, 4096, 1, 2, gpu)
        attention = attention_config(1, 8, 4, 128, 4096, 2, gpu)
        assert 7168 // hidden.units >= 2 * gpu.multiprocessors
        assert 4096 // down.columns * down.splits >= 2 * gpu.multiprocessors
        assert 8 * attention.splits >= gpu.multiprocessors


def test_attention_is_split_by_the_room_of_the_cache_alone():
    assert attention_config(1, 8, 4, 128, 128, 2, H100).splits == 2
    assert attention_config(1, 8, 4, 128, 8192, 2, H100).splits == 33
    assert attention_config(64, 8, 4, 128, 8192, 2, H100).splits == 1


def test_a_tuned_configuration_beats_the_computed_one_on_its_gpu_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tuned, "FOLDER", tuned.FOLDER)
    (tmp_path / "some-gpu-80gb.json").write_text(
        json.dumps({"device": "Some GPU 80GB", "rows": [{"for": [10, 20, 1, 1, 2], "take": [8, 64, 1, 2, 1]}]})
    )
    tuned.use(tmp_path)
    try:
        usual = rows_config(10, 20, 1, 1, 2, H100)
        assert tuned.chosen("rows", (10, 20, 1, 1, 2), "Some GPU 80GB", usual) == RowsConfig(8, 64, 1, 2, 1)
        assert tuned.chosen("rows", (10, 21, 1, 1, 2), "Some GPU 80GB", usual) is usual
        assert tuned.chosen("rows", (10, 20, 1, 1, 2), "Another", usual) is usual
    finally:
        tuned._table.cache_clear()
