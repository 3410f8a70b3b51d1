"""The console entry: help, version, exit codes."""

import json
import os
import subprocess
import sys

import pytest

from sirius_cli import __version__
from sirius_cli.cli import failures, output
from sirius_cli.errors import CheckFailed, ModelError
from sirius_cli.main import main

HEAVY = ("torch", "transformers", "sirius_cli.core.profile", "numba", "numpy", "huggingface_hub", "rich.markdown")
OPTIONS = (
    "model", "profile", "system", "max-new-tokens", "temperature", "top-p", "top-k", "seed", "stop", "raw", "device",
    "dtype", "threads", "offline", "plain", "json", "jsonl", "trace", "no-color", "method", "keep", "window", "accept",
    "threshold", "accept-temperature", "no-correction",
)  # fmt: skip
PROBE = f"""
import json, sys, time
from sirius_cli.main import main
code = main(sys.argv[1:])
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.stderr.write(json.dumps([code, loaded, time.process_time()]))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["chat", "--help"], ["--version"], []])
def test_help_is_quick_and_loads_nothing_heavy(arguments: list[str]) -> None:
    def probe() -> list[object]:
        command = [sys.executable, "-c", PROBE, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert result.stdout
        return list(json.loads(result.stderr))

    code, loaded, seconds = min((probe() for _ in range(3)), key=lambda found: float(str(found[2])))
    assert (code, loaded) == (0, [])
    assert float(str(seconds)) < 0.6


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sirius {__version__}\n"


def test_help_names_every_option_and_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    main(["chat", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name in OPTIONS:
        assert f"--{name}" in text
        assert "SIRIUS_" + name.upper().replace("-", "_") in text
    assert not any(f"--{alias} " in text for alias in ("kernel-size", "thr", "spr", "griffin", "cats"))


def test_module_and_console_script_are_the_same() -> None:
    result = subprocess.run([sys.executable, "-m", "sirius_cli", "--version"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, f"sirius {__version__}\n")


@pytest.mark.parametrize("arguments", [["sing"], ["--sing"], ["chat", "--temperature", "hot"]])
def test_usage_errors_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "--help'" in err
    assert err.count("\n") == 1


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 2
    out, err = capsys.readouterr()
    assert (out, "error" in err) == ("", False)
    assert "Usage: sirius models" in err


@pytest.mark.parametrize(
    ("problem", "code", "line"),
    [
        (KeyboardInterrupt(), 130, ""),
        (output.PipeClosedError(), 0, ""),
        (ModelError("m", "h"), 4, "error: m; h\n"),
        (CheckFailed("c"), 5, "error: c\n"),
        (OSError(28, "No space left on device", "/f"), 3,
         "error: the system refused a file operation: No space left on device: /f\n"),
        (ModuleNotFoundError("x", name="torch"), 3,
         "error: the Python package torch is missing; install sirius-llm again\n"),
        (RuntimeError("unable to mmap 5 bytes from file </m>: Cannot allocate memory (12)"), 3,
         "error: out of memory; use a smaller model, a shorter prompt or fewer new tokens\n"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), 3,
         "error: out of memory; use a smaller model, a shorter prompt or fewer new tokens\n"),
    ],
)  # fmt: skip
def test_exit_codes(problem: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.report(problem) == code
    assert capsys.readouterr().err == line


def test_our_own_missing_module_is_a_bug() -> None:
    assert failures.explain(ModuleNotFoundError("x", name="sirius_cli.nowhere")) is None


def test_interrupt_while_importing_leaves_no_traceback() -> None:
    code = (
        "import sys, builtins; from sirius_cli.main import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder()); sys.exit(main(['--help']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (result.returncode, result.stderr) == (130, "")
