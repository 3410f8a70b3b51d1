"""How much memory there is, and the peak of it while something runs."""

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import torch

_CGROUP = Path("/sys/fs/cgroup")


def watch_memory(device: torch.device) -> Callable[[], int]:
    """Begin to watch memory. What is returned gives the most bytes held since: a GPU's, else this process's.

    Where the system does not let a process forget its peak, it is that of its whole life.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return lambda: int(torch.cuda.max_memory_allocated(device))
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak_of_life
    return _peak_resident


def _peak_resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(peak.split()[1])


def _peak_of_life() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def free_bytes(device: torch.device) -> int:
    """Memory that is still to be had: on a GPU, or in the machine and within this process's group."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min(_machine_bytes(), _group_bytes())


def _machine_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (free,) = (line for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(free.split()[1])
    except (OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _group_bytes() -> int:
    """What the limit of a container leaves, whose own pages of files count as free."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        held = int((_CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return limit - held + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):  # no such limit: "max" is no number
        return sys.maxsize
