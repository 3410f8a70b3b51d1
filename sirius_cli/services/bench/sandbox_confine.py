"""The step between us and a program that a model wrote: give up rights, tell which, become the program's Python.

Python starts twice, because giving up rights takes ``ctypes``, whose classes could read the child's secret from memory.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from sirius_cli.services.bench import sandbox_kernel as kernel

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache")
_DATA = ("/dev/urandom", "/etc/localtime", "/usr/share/zoneinfo")
_OPEN_FILES = 64


def main() -> None:
    """Arguments: our root, seconds, processor seconds, bytes of memory, bytes of a file, the pipe to report to."""
    root, seconds, *numbers, report = sys.argv[1:]
    with open(os.path.join(os.path.dirname(__file__), "sandbox_child.py"), encoding="utf-8") as file:
        child = file.read()
    readable = list(_readable(root))
    python = os.path.realpath(sys.executable)
    path = kernel.pinned(python)
    layers = [*_limit(*map(int, numbers)), *_confine(path, readable), "audit"]
    os.write(int(report), f"{' '.join(layers)}\n".encode())
    signal.setitimer(signal.ITIMER_REAL, float(seconds) + 1)  # should nobody be left to hold the clock
    kernel.become(path, [python, "-P", "-s", "-S", "-B", "-c", child, report, *readable])


def _readable(root: str) -> Iterator[str]:
    """What Python needs, as real paths."""
    settings = os.path.join(sys.prefix, "pyvenv.cfg")
    own = [entry for entry in sys.path if entry != root]
    for place in (*own, os.path.join(sys.base_prefix, "lib"), settings, *_LIBRARIES, *_DATA):
        yield os.path.realpath(place)


def _limit(cpu_seconds: int, memory_bytes: int, file_bytes: int) -> list[str]:
    _lower(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)  # the first one sends a signal that tells why
    _lower(resource.RLIMIT_FSIZE, file_bytes, file_bytes)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0, 0)
    # macOS knows this limit, and refuses values.
    return ["limits", *_tried("memory", partial(_lower, resource.RLIMIT_AS, memory_bytes, memory_bytes))]


def _lower(kind: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def _confine(path: kernel.Path, readable: Sequence[str]) -> list[str]:
    layers = []
    if sys.platform == "linux":
        layers += _tried("namespaces", kernel.isolate)
        kernel.renounce()
        kernel.die_with_parent(signal.SIGKILL)
        layers += _tried("landlock", partial(kernel.fence, os.getcwd(), readable, _mapped_files()))
        layers += _tried("seccomp", partial(kernel.forbid_calls, path))
    if "seccomp" not in layers:
        _lower(resource.RLIMIT_NPROC, 0, 0)
    return layers


def _tried(layer: str, step: Callable[[], None]) -> list[str]:
    with suppress(OSError, ValueError):
        step()
        return [layer]
    return []


def _mapped_files() -> set[str]:
    """What this Python was executed from: itself, the loader, libraries."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
        return {line.rstrip("\n").split(maxsplit=5)[-1] for line in lines if "/" in line}
