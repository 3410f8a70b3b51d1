"""What launch configurations depend on."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import torch


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A GPU: ``multiprocessors``, and the bytes of shared memory that one block of threads may have.

    ``chains`` says whether a kernel can begin before the one before it has ended (``gpu_chain.py``), ``octets`` whether
    one instruction multiplies four bytes and adds up (``gpu_bytes.py``).
    """

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    shared_memory: int
    chains: bool = False
    octets: bool = False


INTERPRETER: Final = DeviceInfo("interpreter", (9, 0), 4, 227 << 10)
"""Stands for the device of tensors that are on none: Triton's interpreter. Small, so that work is split there too."""


def device_info(device: torch.device) -> DeviceInfo:
    """The facts of ``device``."""
    return _gpu(device.index or 0) if device.type == "cuda" else INTERPRETER


@cache
def _gpu(index: int) -> DeviceInfo:
    facts = torch.cuda.get_device_properties(index)
    shared = getattr(facts, "shared_memory_per_block_optin", facts.shared_memory_per_block)
    chains = torch.version.hip is None and facts.major >= 9
    return DeviceInfo(
        facts.name,
        (facts.major, facts.minor),
        facts.multi_processor_count,
        shared,
        chains,
        octets=torch.version.hip is None,
    )
