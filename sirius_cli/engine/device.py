"""Where a model runs: device, dtype, threads, ops."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from sirius_cli.config.locations import cache_dir
from sirius_cli.engine.backend import Ops, choose_ops
from sirius_cli.engine.backend import describe as describe_ops
from sirius_cli.errors import EnvironmentProblem
from sirius_kernels import cpu_jit


@dataclass(frozen=True, slots=True)
class Placement:
    """A device that is there, with the dtype and the ops to use on it.

    Weights that are stored as one of ``kept`` stay so: the ops make ``dtype`` of them as they come from memory.
    """

    device: torch.device
    dtype: torch.dtype
    ops: Ops
    kept: tuple[torch.dtype, ...] = ()

    def describe(self) -> dict[str, str]:
        """Each op's implementation and why, for people."""
        return describe_ops(str(self.device), self.dtype)


def place(device: str, dtype: str, threads: int | None) -> Placement:
    """Find ``device`` ("auto", "cpu", "cuda", "cuda:1") and make its ops ready to run.

    ``dtype`` "auto" is bfloat16 on a GPU. On a CPU it is float32 for all that is computed, while weights of 16 bits
    stay as they are. Raises ``EnvironmentProblem`` for a device that is not there.
    """
    where = _device(device)
    kind = getattr(torch, dtype) if dtype != "auto" else torch.float32 if where.type == "cpu" else torch.bfloat16
    ops = choose_ops(str(where), kind)
    _set_threads(ops, threads or _processors())
    return Placement(where, kind, ops, cpu_jit.halves() if dtype == "auto" and ops.impl == "numba" else ())


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind == "cuda" and (number or "0").isdecimal() and int(number or 0) >= torch.cuda.device_count():
        raise EnvironmentProblem(
            f"there is no device {name}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices",
            "use --device cpu, or see `sirius doctor`",
        )
    return torch.device(name)


def _processors() -> int:
    """Processors that this process may use; not every system can tell them from all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _set_threads(ops: Ops, threads: int) -> None:
    """The compiled kernels bring their own threads. torch's would wait actively on the same cores, so it gets one."""
    if ops.impl == "numba":
        _load_kernels(cache_dir() / "kernels", threads)
        torch.set_num_threads(1)
    else:
        torch.set_num_threads(threads)


def _load_kernels(folder: Path, threads: int) -> None:
    try:
        cpu_jit.load(folder, threads)
    except RuntimeError as error:  # numba's, where neither this folder nor any of its own can be written
        if "no locator available" not in str(error):
            raise
        hint = "name a folder you may write to in SIRIUS_HOME or NUMBA_CACHE_DIR"
        raise EnvironmentProblem(f"the compiled kernels cannot be kept in {folder}", hint) from error
