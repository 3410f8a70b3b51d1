"""Programs that a model wrote, run apart from everything else and told only whether they passed.

Three steps: this process holds the clock (:mod:`.sandbox_process`); the one that it starts gives up its rights
(:mod:`.sandbox_confine`) and becomes a bare Python that runs the program (:mod:`.sandbox_child`). The layers:

- ``limits``: processor time, size of a file, open files, no core dump; without ``seccomp`` no new process or thread
  either, except for root. ``memory``: address space.
- ``seccomp``: no processes, other programs, sockets, signals to others, tracing, mounts, System V objects, nor changes
  of modes, owners and times of files. Threads may start.
- ``landlock``: nothing outside the program's folder can be written, and only Python's own files be read.
- ``namespaces``: a network without interfaces, no shared memory with others.
- ``audit``: the same refusals inside Python. Where it stands alone (macOS) it stops mistakes, not an attack.

"Passed" is a secret that the child writes after the program's last line. No name, frame or module holds it, and the
audit hook bars ``gc`` and ``ctypes``; a program that reads its own process's memory through a fault of the interpreter
can find it. Not covered either: how many files a program writes while it may run (they are removed afterwards), faults
of the kernel, and an answer that deceives its tests, as an object does that equals everything.
"""

import os
import secrets
import signal
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services.bench.sandbox_process import Ended, supervise
from sirius_cli.services.bench.scratch_folder import scratch_folder

_ROOT = str(Path(__file__).parents[3])
# Behind the standard library on the path, so that nothing of ours or of other packages stands in for it.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from sirius_cli.services.bench.sandbox_confine import main; main()"
_INHERITED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # some Pythons do not start without
_REASONS = {"exit": "exited early", "memory": "out of memory"}
_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use. It may start no process.

    Attributes:
        seconds: on the clock, the start of Python (about 0.05) included.
        cpu_seconds: of processor time, all threads together.
        memory_bytes: address space, which is more than the memory that is used.
        file_bytes: each file that it writes.
        output_bytes: how much of the end of its output is kept, to tell why it crashed.
        flood_bytes: output at which it is stopped; what it writes up to there is read and dropped.
    """

    seconds: float = 10.0
    cpu_seconds: int = 10
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 20
    output_bytes: int = 1 << 16
    flood_bytes: int = 1 << 26


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program ran to its very end, and in one printable line why not."""

    passed: bool
    reason: str


def run_program(program: str, limits: Limits = DEFAULT) -> Verdict:
    """Run ``program``, a solution with its tests, as ``__main__`` of a Python without site-packages.

    Leaving early in any way is a failure. When this returns or raises, neither process nor folder is left.

    Raises:
        EnvironmentProblem: the sandbox does not work here; nothing is known of the program.
    """
    return _run(program, limits)[0]


def available() -> str:
    """Empty if programs can be run here, else why not."""
    try:
        layers()
    except EnvironmentProblem as problem:
        return problem.message
    return ""


@cache
def layers() -> tuple[str, ...]:
    """Which of ``limits memory namespaces landlock seccomp audit`` hold here, as a first program was told.

    Raises:
        EnvironmentProblem: the sandbox does not work here.
    """
    verdict, active = _run("", DEFAULT)
    if not verdict.passed:
        raise EnvironmentProblem(f"an empty program fails in the sandbox: {verdict.reason}")
    return active


def _run(program: str, limits: Limits) -> tuple[Verdict, tuple[str, ...]]:
    if not hasattr(os, "fork"):
        raise EnvironmentProblem(f"programs cannot be limited on {sys.platform}", "use Linux or macOS")
    secret = secrets.token_hex(16)
    text = secret.encode() + program.encode("utf-8", "surrogatepass")
    try:
        with scratch_folder() as folder:
            ended = supervise(_command(limits), text, folder, _environment(folder), limits)
    except OSError as error:
        raise EnvironmentProblem(f"cannot run a program apart: {error}") from error
    return _judge(ended, secret)


def _command(limits: Limits) -> list[str]:
    numbers = (limits.seconds, limits.cpu_seconds, limits.memory_bytes, limits.file_bytes)
    return [sys.executable, "-P", "-s", "-S", "-c", _BOOT, _ROOT, *map(str, numbers)]


def _environment(folder: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # One hash seed, so that a program that walks a set gets the same verdict every time.
    fixed = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    return {**inherited, **fixed, "HOME": folder, "TMPDIR": folder}


def _judge(ended: Ended, secret: str) -> tuple[Verdict, tuple[str, ...]]:
    active, started, report = (*ended.report.split("\n", 2), "", "")[:3]
    if report == secret:
        return Verdict(True, "passed"), tuple(active.split())
    if started != "started" and not ended.stopped:
        raise EnvironmentProblem(f"the sandbox does not start: {_last_line(ended)}")
    return Verdict(False, one_line(_reason(ended, report))[:_REASON_CHARACTERS]), tuple(active.split())


def _reason(ended: Ended, report: str) -> str:
    if ended.stopped:
        return ended.stopped
    if report:
        return _REASONS.get(report, f"wrong: {report}")
    if ended.code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "timed out"
    return f"crashed: {signal.strsignal(-ended.code)}, {_last_line(ended)}" if ended.code < 0 else "exited early"


def _last_line(ended: Ended) -> str:
    return (ended.output.strip().splitlines() or ["no output"])[-1]
