"""The parts of the sandbox, each alone: no layer hides that another one does nothing."""

import errno
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sirius_cli.services.bench import sandbox, sandbox_filter
from sirius_cli.services.bench.sandbox import Limits
from sirius_cli.services.bench.sandbox_process import Ended, supervise
from sirius_cli.services.bench.scratch_folder import scratch_folder

LAYERS = () if sandbox.available() else sandbox.layers()
SETUP = {
    "namespaces": "kernel.isolate()",
    "landlock": "kernel.renounce(); kernel.fence(os.getcwd(), sys.path, [])",
    "seccomp": "kernel.renounce(); kernel.forbid_calls(kernel.pinned('/bin/sh'))",
}
ALONE = """
import os, resource, signal, socket, subprocess, sys
import sirius_cli.services.bench.sandbox_kernel as kernel
{setup}
try:
    {attempt}
except (OSError, ValueError):
    sys.exit(0)
sys.exit("it worked")
"""
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x50000 | errno.EPERM, 0x80000000
PID, PATH = 1234, 0x7F00_1234_5678
X86, ARM = 0xC000003E, 0xC00000B7
THREAD, CHILD = 0x3D0F00, 0x1200011  # flags of clone as glibc gives them
X86_CALLS = {"read": 0, "fork": 57, "socket": 41, "execve": 59, "clone": 56, "kill": 62, "tgkill": 234, "prlimit": 302}
ARM_CALLS = {"read": 63, "socket": 198, "execve": 221, "clone": 220, "kill": 129, "tgkill": 131, "prlimit": 261}


def judge(code: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel's virtual machine would answer."""
    call = struct.pack("<IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    value = step = 0
    while True:
        operation, if_true, if_false, constant = struct.unpack_from("<HBBI", code, 8 * step)
        step += 1
        if operation == 0x06:
            return int(constant)
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", call, constant)
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: value & constant != 0}[operation]
            step += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "architecture", "calls"), [("x86_64", X86, X86_CALLS), ("aarch64", ARM, ARM_CALLS)]
)
@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("read", (), ALLOW),
        ("socket", (), REFUSE),
        ("clone", (THREAD,), ALLOW),
        ("clone", (CHILD,), REFUSE),
        ("kill", (PID, 9), ALLOW),
        ("kill", (PID + 1, 9), REFUSE),
        ("kill", (2**32 - 1, 9), REFUSE),
        ("tgkill", (PID, 7), ALLOW),
        ("tgkill", (1, 1), REFUSE),
        ("execve", (PATH,), ALLOW),
        ("execve", (PATH + 1,), REFUSE),
        ("execve", (PATH + 2**32,), REFUSE),
        ("prlimit", (0, 9, 0, PATH), ALLOW),
        ("prlimit", (0, 9, PATH, 0), REFUSE),
        ("prlimit", (0, 9, 2**32, 0), REFUSE),
    ],
)
def test_the_filter_judges_calls(
    machine: str, architecture: int, calls: dict[str, int], call: str, arguments: tuple[int, ...], answer: int
) -> None:
    code = sandbox_filter.build(machine, PID, PATH)
    assert judge(code, architecture, calls[call], *arguments) == answer
    assert judge(code, ARM + X86 - architecture, calls[call], *arguments) == KILL


def test_the_filter_knows_every_way_to_a_process() -> None:
    x86, arm = (sandbox_filter.build(machine, PID, PATH) for machine in ("x86_64", "aarch64"))
    for number in (57, 58, 322):
        assert judge(x86, X86, number) == REFUSE
    assert judge(x86, X86, 0x40000000 + 57) == REFUSE
    assert judge(x86, X86, 435) == judge(arm, ARM, 435) == 0x50000 | errno.ENOSYS


def test_the_filter_is_short_enough_for_the_kernel() -> None:
    assert all(len(sandbox_filter.build(machine, PID, PATH)) < 4096 * 8 for machine in ("x86_64", "aarch64"))
    assert not sandbox_filter.supported("riscv64")


@pytest.mark.parametrize(
    ("layer", "attempt"),
    [
        ("namespaces", "socket.create_connection(('127.0.0.1', {port}), 1)"),
        *(
            ("landlock", attempt)
            for attempt in (
                "open('{folder}/canary')",
                "os.listdir('{folder}')",
                "open('{folder}/canary', 'w')",
                "open('{folder}/made', 'x')",
                "os.mkdir('{folder}/made')",
                "os.remove('{folder}/canary')",
                "os.rename('{folder}/canary', 'canary')",
                "os.link('{folder}/canary', 'canary')",
                "os.symlink('{folder}', 'out'); open('out/canary', 'w')",
                "os.execv('/bin/sh', ['sh', '-c', 'exit'])",
                "open('/proc/self/mem', 'rb')",
            )
        ),
        *(
            ("seccomp", attempt)
            for attempt in (
                "os.fork()",
                "os.posix_spawn('/bin/sh', ['sh', '-c', 'exit'], {{}})",
                "subprocess.run(['true'])",
                "os.execv('/bin/sh', ['sh', '-c', 'exit'])",
                "os.setsid()",
                "os.kill(os.getppid(), signal.SIGCONT)",
                "os.killpg(os.getpgid(os.getppid()), signal.SIGCONT)",
                "socket.socket()",
                "os.chmod('{folder}/canary', 0)",
                "os.utime('{folder}/canary', (0, 0))",
                "os.truncate('{folder}/canary', 0)",
                "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
                "os.memfd_create('x')",
            )
        ),
    ],
)
def test_each_layer_refuses_by_itself(layer: str, attempt: str, tmp_path: Path) -> None:
    if layer not in LAYERS:
        pytest.skip(f"no {layer} here")
    own, canary = tmp_path / "own", tmp_path / "canary"
    own.mkdir()
    canary.write_text("alive")
    with socket.create_server(("127.0.0.1", 0)) as server:
        tried = attempt.format(folder=tmp_path, port=server.getsockname()[1])
        command = [sys.executable, "-c", ALONE.format(setup=SETUP[layer], attempt=tried)]
        result = subprocess.run(command, cwd=own, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(tmp_path.iterdir()) == [canary, own]
    assert canary.read_text() == "alive"


@pytest.mark.skipif("seccomp" not in LAYERS, reason="no seccomp here")
def test_one_program_can_still_be_executed() -> None:
    setup = "path = kernel.pinned('/bin/sh'); kernel.renounce(); kernel.forbid_calls(path)"
    script = ALONE.format(setup=setup, attempt="kernel.become(path, ['sh', '-c', 'exit 7'])")
    assert subprocess.run([sys.executable, "-c", script]).returncode == 7


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_no_capability_is_left() -> None:
    setup = "kernel.renounce(); os.execv('/bin/cat', ['cat', '/proc/self/status'])"
    result = subprocess.run(
        [sys.executable, "-c", ALONE.format(setup=setup, attempt="pass")], capture_output=True, text=True
    )
    assert re.findall(r"Cap(?:Prm|Eff):\s*(\w+)", result.stdout) == ["0" * 16] * 2


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    script = """
import os, time
if os.fork() == 0:
    for _ in range(2000):
        open("beats", "a").write("x")
        time.sleep(0.01)
while not os.path.exists("beats"):
    time.sleep(0.01)
print("started")
"""
    start = time.monotonic()
    ended = run(script, tmp_path, Limits(seconds=60))
    beats = (tmp_path / "beats").stat().st_size
    assert (ended.code, ended.stopped, ended.output) == (0, "", "started\n")
    assert time.monotonic() - start < 15
    time.sleep(0.2)
    assert (tmp_path / "beats").stat().st_size == beats


def test_the_beginning_of_the_report_and_the_end_of_the_output_are_kept(tmp_path: Path) -> None:
    script = "import os, sys\nos.write(int(sys.argv[1]), b'begin' + b'x' * 9999)\nprint('x' * 99999, 'end')"
    ended = run(script, tmp_path, Limits(output_bytes=6))
    assert ended.report == "begin" + "x" * 4091
    assert ended.output == "x end\n"


def test_standard_input_is_the_text(tmp_path: Path) -> None:
    assert run("import sys\nprint(len(sys.stdin.read()))", tmp_path, Limits(), b"x" * 10**6).output == "1000000\n"


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    before = set(os.listdir("/dev/fd"))
    with pytest.raises(FileNotFoundError):
        supervise(["/nowhere"], b"", str(tmp_path), {}, Limits())
    assert set(os.listdir("/dev/fd")) == before


def test_a_scratch_folder_goes_whatever_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "canary").touch()
    with scratch_folder() as folder:
        assert list(Path(folder).iterdir()) == []
        os.symlink(kept, f"{folder}/link")
        os.mkdir(f"{folder}/closed")
        Path(f"{folder}/closed/file").touch()
        os.chmod(f"{folder}/closed", 0)
        bury(folder, 1100)
    assert list(tmp_path.iterdir()) == [kept]
    assert (kept / "canary").exists()


def test_a_scratch_folder_goes_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(KeyError), scratch_folder():
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def run(script: str, folder: Path, limits: Limits, text: bytes = b"") -> Ended:
    return supervise([sys.executable, "-S", "-c", script], text, str(folder), {}, limits)


def bury(folder: str, depth: int) -> None:
    """A file so deep that no path can name it."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=place)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = deeper
    os.close(os.open("file", os.O_CREAT, dir_fd=place))
    os.close(place)
