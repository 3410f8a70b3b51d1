"""How much memory this process takes."""

import os
import resource
import sys
from pathlib import Path


def resident_bytes() -> int:
    """The memory that this process holds now; where the system does not tell that, the most it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
