"""What a program that a model wrote must not do, with all layers and with the last one alone."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sirius_cli.services.bench import sandbox
from sirius_cli.services.bench.sandbox import run_program

KERNEL = "import sirius_cli.services.bench.sandbox_kernel as kernel; "
# The kernel's layers fail as on a system that lacks them.
ONLY_AUDIT = sandbox._BOOT.replace(
    "from", f"{KERNEL}kernel.isolate = kernel.fence = kernel.forbid_calls = lambda *_: open('/nowhere'); from"
)
LAYERS = () if sandbox.available() else sandbox.layers()
# What a program must not do. {folder} holds a file "canary", {port} is listened at.
ATTEMPTS = {
    "fork": "os.fork()",
    "run": "subprocess.run(['true'])",
    "shell": "os.system('touch {folder}/made')",
    "spawn": "os.posix_spawn('/bin/sh', ['sh', '-c', 'exit'], {{}})",
    "execute": "os.execv('/bin/sh', ['sh', '-c', 'exit'])",
    "delete": "os.remove('{folder}/canary')",
    "delete all": "shutil.rmtree('{folder}')",
    "delete here": "os.chdir('{folder}'); os.remove('canary')",
    "delete by descriptor": "os.remove('x', dir_fd=os.open(os.path.dirname(os.__file__), os.O_RDONLY))",
    "move away": "os.rename('{folder}/canary', 'canary')",
    "move there": "open('mine', 'w').close(); os.rename('mine', '{folder}/canary')",
    "overwrite": "open('{folder}/canary', 'w')",
    "append": "os.open('{folder}/canary', os.O_WRONLY | os.O_APPEND)",
    "empty": "os.truncate('{folder}/canary', 0)",
    "create": "open('{folder}/made', 'x')",
    "make a folder": "os.mkdir('{folder}/made')",
    "follow a link": "os.symlink('{folder}', 'out'); open('out/canary', 'w')",
    "link": "os.link('{folder}/canary', 'canary')",
    "change the mode": "os.chmod('{folder}/canary', 0)",
    "change the time": "os.utime('{folder}/canary', (0, 0))",
    "read": "open('{folder}/canary').read()",
    "list": "os.listdir('{folder}')",
    "connect": "socket.create_connection(('127.0.0.1', {port}), 1)",
    "listen": "socket.create_server(('127.0.0.1', 0))",
    "signal the parent": "os.kill(os.getppid(), signal.SIGCONT)",
    "signal all": "os.kill(-1, signal.SIGCONT)",
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "load C code": "import ctypes",
    "reach C types": "import _ctypes",
    "find objects": "gc.get_objects()",
    "skip lines": "sys.settrace(print)",
}
REFUSED = """
import gc, os, resource, shutil, signal, socket, subprocess, sys
try:
    {attempt}
except PermissionError:
    pass
else:
    raise AssertionError("it worked")
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary").write_text("alive")
    return folder


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def untouched(folder: Path) -> bool:
    canary = folder / "canary"
    return [*folder.iterdir()] == [canary] and canary.read_text() == "alive" and canary.stat().st_mtime > 1


@pytest.mark.parametrize("boot", [sandbox._BOOT, ONLY_AUDIT], ids=["all layers", "audit"])
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_refused(attempt: str, boot: str, outside: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_BOOT", boot)
    verdict = run_program(REFUSED.format(attempt=attempt.format(folder=outside, port=port)))
    assert verdict == sandbox.Verdict(True, "passed")
    assert untouched(outside)


@pytest.mark.parametrize(
    ("layer", "attempt"),
    [
        (
            "landlock",
            "sqlite3.connect(':memory:').executescript('attach \\'{folder}/made\\' as a; create table a.b (c)')",
        ),
        ("seccomp", "os.memfd_create('x')"),
        ("namespaces", "assert os.readlink('/proc/self/ns/net') == '{network}'"),
    ],
)
def test_the_kernel_refuses_what_python_does_not_tell(layer: str, attempt: str, outside: Path) -> None:
    if layer not in LAYERS:
        pytest.skip(f"no {layer} here")
    network = os.readlink("/proc/self/ns/net")
    attempt = attempt.format(folder=outside, network=network)
    verdict = run_program(f"import os, sqlite3\ntry:\n    {attempt}\nexcept Exception:\n    pass\nelse:\n    1 / 0")
    assert verdict == sandbox.Verdict(True, "passed")
    assert untouched(outside)


def test_the_secret_is_not_found_from_what_has_a_name() -> None:
    program = """
import functools, os, re, sys, types
seen, todo = {}, [sys.modules, object.__subclasses__()]
frame = sys._getframe()
while frame:
    todo += [frame.f_locals, frame.f_globals, frame.f_builtins, frame.f_code.co_consts]
    frame = frame.f_back
while todo:
    one = todo.pop()
    if id(one) in seen:
        continue
    seen[id(one)] = one
    if isinstance(one, bytes) and re.fullmatch(b"[0-9a-f]{32}", one):
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, one)
            except OSError:
                pass
        os._exit(0)
    if isinstance(one, dict):
        todo += list(one.values())
    elif isinstance(one, (list, tuple, set, frozenset)):
        todo += list(one)
    elif isinstance(one, functools.partial):
        todo += [one.func, one.args, one.keywords]
    else:
        todo += [getattr(one, name, None) for name in ("__dict__", "__defaults__", "__kwdefaults__", "__self__")]
    if isinstance(one, types.FunctionType):
        todo += [cell.cell_contents for cell in one.__closure__ or ()]
raise LookupError(len(seen) > 3000)
"""
    assert run_program(program).reason == "wrong: LookupError at line 30: True"


def test_what_keeps_the_secret_cannot_be_changed_by_way_of_a_traceback() -> None:
    program = """
import gc
try:
    gc.get_objects()
except PermissionError as error:
    step = error.__traceback__
    while step:
        step.tb_frame.f_globals.update(REFUSED=frozenset(), MODULES=frozenset())
        step.tb_frame.f_locals["refused"] = frozenset()
        step = step.tb_next
gc.get_objects()
"""
    assert run_program(program).reason == "wrong: PermissionError at line 11: [Errno 1] not allowed: gc.get_objects"
