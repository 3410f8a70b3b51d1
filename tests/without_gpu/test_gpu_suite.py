"""The GPU suite at toy sizes, in Triton's interpreter: a file of its own, so that it may run beside test_triton.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("triton", reason="Triton has no wheel for this platform")


def suite(out: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "kernels/bench/suite.py", "--dry-run", "--out", str(out), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_gpu_suite_runs_dry(tmp_path):
    done = suite(tmp_path, "--tune")
    assert done.returncode == 0, done.stderr[-5000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cases"] > 50
    assert told["summary"]["toy"]["dense step / dense"] == 1.0
    results = json.loads((tmp_path / "results.json").read_text())
    assert {one["step"] for one in results["steps"]} >= {"dense step", "coarse draft step", "window of 2, fine"}
    assert {one["density"] for one in results["ops"]} >= {0.1, 0.5, 1.0}
    tuned_for = json.loads((tmp_path / "interpreter.json").read_text())
    assert len(tuned_for["rows"]) >= 5
    assert len(tuned_for["down"]) >= 2
    assert "| toy | window of 2, coarse |" in (tmp_path / "report.md").read_text()


def test_the_gpu_suite_stops_at_a_wrong_result_and_reports_no_speed(tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'kernels/bench')\n"
        f"sys.argv = ['suite.py', '--dry-run', '--out', {str(tmp_path)!r}]\n"
        "import suite\n"
        "from sirius_kernels.linear import gpu\n"
        "right = gpu.linear\n"
        "gpu.linear = lambda *arguments: 1.01 * right(*arguments)\n"
        "suite.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "\nlinear, 1 tokens, " in done.stderr
    assert "cases are wrong" in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_time_without_kernels_is_what_no_kernel_covers(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "kernels/bench"))
    from gpu.gaps import share_without_kernels

    spans = [(0, 10), (5, 3), (12, 4), (14, 6)]  # start and length
    events = [{"cat": "kernel", "ts": start, "dur": length} for start, length in spans]
    assert share_without_kernels([*events, {"cat": "cpu_op", "ts": 0, "dur": 99}]) == pytest.approx(2 / 20)
