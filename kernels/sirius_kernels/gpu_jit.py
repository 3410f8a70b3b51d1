"""Whether the Triton kernels can run on a GPU."""

from typing import Final

import torch

_LEAST: Final = (8, 0)  # compute capability; older GPUs lack bf16 and the loads that the kernels count on


def unavailable_reason(device: str) -> str:
    """Why they cannot run on ``device`` ("cuda", "cuda:1", "cpu"); empty if they can."""
    where = torch.device(device)
    if where.type != "cuda":
        return f"Triton's kernels do not run on {where.type}"
    if torch.version.hip is not None:
        return "Triton's kernels have only been compiled for AMD's GPUs, not run on one"
    try:
        import triton  # noqa: F401  (has no wheel for every platform)
    except ImportError as error:
        return f"triton cannot be imported: {error}"
    capability = torch.cuda.get_device_capability(where)
    if capability < _LEAST:
        return f"Triton's kernels need compute capability 8.0, this GPU has {'.'.join(map(str, capability))}"
    return ""
