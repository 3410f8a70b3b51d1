"""Commands that need no model are quick, because they load nothing that is slow to import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRACE = Path(__file__).parents[1] / "data" / "dashboard.jsonl"
HEAVY = ("torch", "transformers", "numba", "numpy", "sirius_cli.engine", "sirius_kernels")
REPORT = f"""
import json, sys
from sirius_cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["chat", "--help"],
        ["inspect-corrections", "--help"],
        ["profiles", "list"],
        ["profiles", "show", "sirius", "--origin"],
        ["doctor", "--no-torch", "--json"],
        ["models", "list"],
        ["chat", "--replay", str(TRACE), "--speed", "inf"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_nothing_heavy_is_loaded(arguments: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "SIRIUS_HOME": str(tmp_path), "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", REPORT, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert result.stdout
    assert json.loads(result.stderr.splitlines()[-1]) == [0, []]


def test_help_takes_little_processor_time() -> None:
    assert min(_processor_seconds("--help") for _ in range(3)) < 0.4


def _processor_seconds(*arguments: str) -> float:
    child = subprocess.Popen([sys.executable, "-m", "sirius_cli", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_utime + usage.ru_stime
