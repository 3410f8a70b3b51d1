"""The devices of this machine, and what the ops would run on each."""

import platform
from dataclasses import dataclass

import torch

from sirius_cli.engine import backend
from sirius_kernels import cpu_jit, gpu_jit


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """``device`` is what ``--device`` takes, ``memory_bytes`` its own memory (None: it shares the machine's).

    ``ops`` maps each op to its implementation and why that one, ``not_used`` the other implementations to why not.
    """

    device: str
    name: str
    memory_bytes: int | None
    ops: dict[str, str]
    not_used: dict[str, str]


def devices() -> list[DeviceReport]:
    """Every device that a model can run on."""
    reports = [_report("cpu", platform.machine(), None)]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        reports.append(_report(f"cuda:{index}", properties.name, properties.total_memory))
    return reports


def _report(device: str, name: str, memory_bytes: int | None) -> DeviceReport:
    kind = torch.device(device).type
    ops = backend.describe(device)
    used = {text.partition(" ")[0] for text in ops.values()}
    why_not = {
        "numba": cpu_jit.unavailable_reason() or f"its ops do not run on {kind}",
        "triton": gpu_jit.unavailable_reason(device),
        "torch": "it is the reference, used where no compiled op fits",
    }
    not_used = {implementation: why for implementation, why in why_not.items() if implementation not in used}
    return DeviceReport(device, name, memory_bytes, ops, not_used)
