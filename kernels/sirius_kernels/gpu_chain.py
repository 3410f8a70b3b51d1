"""Chained launches: a kernel begins while the one before it ends (programmatic dependent launch, CUDA).

A step is a few hundred kernels that take microseconds each; without chaining the GPU runs empty between any two. A
kernel does first what does not depend on the one before it, such as fetching weights, then calls :func:`follow`, and
only after that reads what others have computed or writes anything.

Because every kernel calls :func:`follow` before the next may begin, all kernels but the last one have ended when a
kernel begins. So what it reads ahead may have been written by any of them, but not by the one right before it.
"""

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from sirius_kernels.device import DeviceInfo


@triton.jit  # type: ignore[untyped-decorator]
def follow(CHAINED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Wait until the kernel before has ended, then let the next one begin."""
    if CHAINED:
        gdc_wait()
        gdc_launch_dependents()


def chained(device: DeviceInfo) -> dict[str, bool]:
    """The options of a launch on ``device``."""
    return {"CHAINED": True, "launch_pdl": True} if device.chains else {"CHAINED": False}
