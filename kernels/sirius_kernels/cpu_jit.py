"""Load the compiled CPU kernels: numba turns them into machine code once and keeps it on disk."""

import hashlib
import importlib
from pathlib import Path

import torch

_MODULES = ("norm.cpu", "linear.cpu", "mlp.cpu", "select.cpu", "attention.cpu", "block.cpu")


def unavailable_reason() -> str:
    """Why the compiled kernels cannot run here; empty if they can."""
    try:
        import numba  # (imports numpy and LLVM; fails on an unsupported pair of versions)
    except ImportError as error:
        return f"numba cannot be imported: {error}"
    return "NUMBA_DISABLE_JIT is set" if numba.config.DISABLE_JIT else ""


def halves() -> tuple[torch.dtype, ...]:
    """Dtypes of 16 bits that weights may have: the kernels compute with them in fp32."""
    from sirius_kernels.cpu_llvm import WIDENS_FP16

    return (torch.bfloat16, torch.float16) if WIDENS_FP16 else (torch.bfloat16,)


def matrix_units() -> bool:
    """Whether several tokens meet bfloat16 weights on matrix units."""
    from sirius_kernels.cpu_llvm import multiplies_tiles

    return multiplies_tiles()


def load(cache_dir: Path, threads: int) -> None:
    """Import every CPU kernel, to run on ``threads`` threads.

    The first time compiles them for half a minute or more, later times read them from ``cache_dir``. The cache is keyed
    by the kernels' sources as well: numba looks at one file only, and kernels share code.
    """
    import numba

    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(cache_dir / _sources_digest())
    # A kernel that was compiled when those it calls came from the cache does not know that it needs numba's threads,
    # and cannot be loaded before they run: so two first starts at once, or one that was killed, would break all later.
    numba.get_num_threads()
    for module in _MODULES:
        importlib.import_module(f"sirius_kernels.{module}")
    importlib.import_module("sirius_kernels.cpu_memory").set_threads(threads)


def _sources_digest() -> str:
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("cpu_*.py"), *root.glob("*/cpu*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
