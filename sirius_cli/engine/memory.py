"""The peak of memory while something runs."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import torch


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
