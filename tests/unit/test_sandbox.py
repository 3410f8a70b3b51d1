"""Programs that a model wrote: what they may do, what they may not, and that they leave nothing behind."""

import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services.bench import sandbox, sandbox_process
from sirius_cli.services.bench.sandbox import Limits, run_program

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
FORK = """
import os, time
children = 0
for _ in range(200):
    try:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        children += 1
    except OSError:
        pass
"""
LAYERS = () if sandbox.available() else sandbox.layers()


@pytest.fixture(autouse=True)
def fresh_layers() -> Iterator[None]:
    """What a test makes of the sandbox is not remembered."""
    sandbox.layers.cache_clear()
    yield
    sandbox.layers.cache_clear()


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where programs run: nothing may be left there."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


def reason(program: str, limits: Limits = sandbox.DEFAULT) -> str:
    verdict = run_program(program, limits)
    assert not verdict.passed
    return verdict.reason


def survivors(place: Path) -> list[int]:
    """Processes that were started in ``place``: it is in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(place) in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(
    "program",
    [
        "",
        "def add(a, b):\n    return a + b\n\nassert add(1, 2) == 3",
        "assert __name__ == '__main__'\nimport __main__\nassert __main__.__dict__ is globals()",
        "from dataclasses import dataclass\nimport pickle\n@dataclass\nclass A:\n    x: int\n"
        "assert pickle.loads(pickle.dumps(A(1))) == A(1)",
        "import asyncio\nasync def f():\n    return 3\nassert asyncio.run(f()) == 3",
        "import tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n    open(d + '/x', 'w').write('a')\n"
        "    os.rename(d + '/x', d + '/y')\n    assert os.listdir(d) == ['y']",
        "import bisect, decimal, hashlib, heapq, json, logging, math, random, re, sqlite3, ssl, statistics, unittest",
        "import atexit, os\natexit.register(os._exit, 1)",
        "import os, signal\nos.kill(os.getpid(), 0)\nsignal.raise_signal(signal.SIGCONT)",
        "print('x' * (1 << 20))",
    ],
)
def test_a_right_program_passes(program: str) -> None:
    assert run_program(program) == sandbox.Verdict(True, "passed")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("x = 1\nassert x == 2", "wrong: AssertionError at line 2"),
        ("assert False, 'no \\x1b[31m\\nmore'", "wrong: AssertionError at line 1: no ␛[31m more"),
        ("def f(:", "wrong: SyntaxError: invalid syntax (<program>, line 1)"),
        ("def f():\n    f()\nf()", "wrong: RecursionError at line 2: maximum recursion depth exceeded"),
        ("input()", "wrong: EOFError at line 1: EOF when reading a line"),
        ("import numpy", "wrong: ModuleNotFoundError at line 1: No module named 'numpy'"),
        ("raise ValueError('x' * 10**6)", "wrong: ValueError at line 1: " + "x" * 271),
        ("import os\nos.abort()", "crashed: Aborted, no output"),
    ],
)
def test_a_wrong_program_fails_with_a_reason(program: str, expected: str) -> None:
    assert reason(program) == expected


@pytest.mark.parametrize("program", ["x = 'a\0b'", "x = '\ud800'", "raise ValueError('\\ud800')", "\udcff", "\r\0\n"])
def test_text_that_is_no_program(program: str) -> None:
    assert reason(program).startswith("wrong: ")
    assert reason(program).isprintable()


@pytest.mark.parametrize(
    "leave",
    [
        "os._exit(0)",
        "sys.exit()",
        "sys.exit(0)",
        "exit()",
        "quit(0)",
        "raise SystemExit",
        "atexit.register(os._exit, 0); sys.exit(0)",
        "sys.stdout = None; sys.exit(0)",
        "os.closerange(0, 256)",
        "[os.write(fd, b'passed') for fd in range(3, 9) if os.path.exists(f'/dev/fd/{fd}')]; os._exit(0)",
    ],
)
def test_leaving_before_the_end_is_a_failure(leave: str) -> None:
    program = f"import atexit, os, sys\ndef check():\n    assert 1 == 1\n    {leave}\n    assert 1 == 2\ncheck()\n"
    assert reason(program) in ("exited early", "wrong: passed")


@pytest.mark.parametrize(
    "trick",
    [
        "import builtins\nbuiltins.AssertionError = builtins.SystemExit = None",
        "import builtins\nbuiltins.exit = builtins.BaseException = lambda *_: None",
        "import os, sys\nos.write = sys.exit = os._exit = lambda *_: 0\nsys.modules.clear()",
        "import sys, types\nsys.modules['__main__'] = types.ModuleType('x')\nsys.excepthook = print",
        "import sys\nsys.setprofile(lambda *_: None)",
    ],
)
def test_replaced_parts_of_python_do_not_make_a_test_pass(trick: str) -> None:
    assert not run_program(f"{trick}\nassert 1 == 2").passed
    assert run_program(f"{trick}\nassert 1 == 1").passed


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import os\nos.closerange(0, 256)\nwhile True: pass",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        "import signal\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except OSError: pass\n"
        "while True: pass",
    ],
)
def test_the_clock_ends_a_program(program: str) -> None:
    start = time.monotonic()
    assert reason(program, Limits(seconds=0.7)) == "timed out"
    assert time.monotonic() - start < 5


def test_processor_time_is_limited() -> None:
    start = time.monotonic()
    assert reason("while True: pass", Limits(seconds=30, cpu_seconds=1)) == "timed out"
    assert time.monotonic() - start < 20


@pytest.mark.skipif("memory" not in LAYERS, reason="the system does not limit memory")
@pytest.mark.parametrize(
    "program", ["x = bytearray(1 << 30)", "x = []\nwhile True: x.append('a' * 9999)", "x = ()\nwhile True: x = (x,)"]
)
def test_memory_is_limited(program: str) -> None:
    assert reason(program, Limits(memory_bytes=1 << 27)) == "out of memory"


def test_files_are_limited() -> None:
    assert "File too large" in reason("open('a', 'wb').write(b'x' * (1 << 21))")
    assert "Too many open files" in reason("x = [open('a', 'w') for _ in range(100)]")


def test_much_output_is_neither_kept_nor_waited_for() -> None:
    program = "import sys\nfor _ in range(1600): sys.stdout.write('x' * (1 << 16))"
    tracemalloc.start()
    try:
        assert run_program(program, Limits(flood_bytes=1 << 30)).passed
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_flood_is_ended() -> None:
    assert reason("while True: print('x' * (1 << 16))") == "output too long"
    assert reason("import os\nwhile True: os.write(2, b'x' * 100000)", Limits(flood_bytes=10**6)) == "output too long"


@pytest.mark.skipif("seccomp" not in LAYERS, reason="threads count as processes")
def test_threads_may_run() -> None:
    assert run_program(
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(30) as pool:\n"
        "    assert list(pool.map(abs, range(-99, 0)))[0] == 99"
    ).passed


@pytest.mark.skipif("seccomp" not in LAYERS, reason="threads count as processes")
def test_nobody_waits_for_threads() -> None:
    start = time.monotonic()
    program = "import os, threading, time\nos._exit = print\nthreading.Thread(target=time.sleep, args=(60,)).start()"
    assert run_program(program).passed
    assert time.monotonic() - start < 5


@LINUX
def test_an_interrupt_ends_the_program(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> bool:
        assert survivors(scratch) != []
        raise KeyboardInterrupt

    monkeypatch.setattr(sandbox_process, "_read", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_program("import time\ntime.sleep(60)")
    assert survivors(scratch) == []


@LINUX
def test_the_program_dies_with_the_process_that_waits_for_it(tmp_path: Path) -> None:
    script = "from sirius_cli.services.bench.sandbox import run_program; run_program('import time; time.sleep(60)')"
    place = tmp_path / "parent"
    place.mkdir()
    with subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(place)}, cwd=ROOT) as parent:
        assert soon(lambda: len(survivors(place)) == 2)
        time.sleep(0.3)  # until it is past its own start
        parent.kill()
    assert soon(lambda: survivors(place) == [])


def test_sets_have_one_order() -> None:
    program = "assert 0, hash('a')"
    assert reason(program) == reason(program)


@LINUX
def test_a_fork_bomb_has_no_children(scratch: Path) -> None:
    assert run_program(f"{FORK}assert children == 0, children").passed
    assert survivors(scratch) == []


def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        descriptors = "[n for n in range(3, 64) if can(n)]"
        program = f"""
import os
def can(n):
    try:
        return bool(os.fstat(n))
    except OSError:
        return False
assert not {{*os.environ}} & {{"SECRET_TOKEN", "USER", "PYTHONPATH"}}
assert os.environ["HOME"] == os.getcwd()
assert os.listdir() == []
assert len({descriptors}) == 1, {descriptors}
assert os.getsid(0) == os.getpid()
"""
        assert run_program(program) == sandbox.Verdict(True, "passed")


@pytest.mark.parametrize(
    ("layer", "step"), [("namespaces", "isolate"), ("landlock", "fence"), ("seccomp", "forbid_calls")]
)
def test_a_layer_that_the_system_lacks_is_not_named(layer: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"limits", "audit"} <= set(sandbox.layers())
    assert sandbox.available() == ""
    sandbox.layers.cache_clear()
    lacking = (
        f"import sirius_cli.services.bench.sandbox_kernel as kernel; kernel.{step} = lambda *_: open('/nowhere'); from"
    )
    monkeypatch.setattr(sandbox, "_BOOT", sandbox._BOOT.replace("from", lacking))
    assert set(sandbox.layers()) == set(LAYERS) - {layer}


def test_a_system_without_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert sandbox.available() == f"programs cannot be limited on {sys.platform}"
    with pytest.raises(EnvironmentProblem, match="use Linux or macOS"):
        run_program("")


@pytest.mark.parametrize(
    ("target", "value", "message"),
    [
        ("sirius_cli.services.bench.sandbox._BOOT", "raise SystemExit('broken')", "the sandbox does not start: broken"),
        ("sirius_cli.services.bench.sandbox._ROOT", "/nowhere", "No module named 'sirius_cli'"),
        ("sys.executable", "/nowhere", "No such file or directory"),
        ("tempfile.tempdir", "/nowhere", "No such file or directory"),
    ],
)
def test_a_sandbox_that_does_not_start_is_no_verdict(
    target: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, value)
    assert message in sandbox.available()
    with pytest.raises(EnvironmentProblem, match=message):
        run_program("x = 1")
