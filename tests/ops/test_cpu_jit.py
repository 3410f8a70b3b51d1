"""Compiled kernels on disk."""

import subprocess
import sys

_LOAD = """
import importlib
from pathlib import Path
import numba
from sirius_kernels import cpu_jit

def imported(name):
    raise SystemExit(numba.threading_layer())  # raises where threads have not been started

importlib.import_module = imported
cpu_jit.load(Path("nowhere"), 2)
"""


def test_threads_run_before_the_first_kernel_is_loaded():
    """LLVM ends the process over kernels whose threads are not there, whatever compiled them: it cannot be caught."""
    found = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=False)
    assert found.stderr.strip() in ("omp", "tbb", "workqueue")
