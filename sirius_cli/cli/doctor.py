"""``sirius doctor``: what is here, what will run, and why nothing faster."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from sirius_cli.cli import diagnostics, options, output
from sirius_cli.services.doctor import Folder, Report, examine

_SCHEMA_VERSION = 1

_NoTorch = Annotated[bool, typer.Option("--no-torch", help="Leave out what needs torch; quick.")]


def doctor(json: options.Json = False, no_torch: _NoTorch = False) -> None:
    """Show versions, devices, which ops will be used and why not others."""
    report = examine(with_torch=not no_torch)
    if json:
        output.write_json({"schema_version": _SCHEMA_VERSION, **asdict(report)})
    else:
        output.write_table(["WHAT", "FOUND"], [[what, found] for what, found in _rows(report)])
    if report.devices is None:
        diagnostics.note(f"note: devices and ops were not looked at: {report.devices_unknown}")


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    processor, memory = report.processor, report.memory
    yield "sirius", report.sirius
    yield "python", report.python
    yield "platform", report.platform
    yield "processor", f"{processor.name}, {processor.usable} of {processor.cores} cores usable"
    yield "memory", f"{_gib(memory.total_bytes)}, {_gib(memory.available_bytes)} available"
    for name, version in report.packages.items():
        yield name, version or "not installed"
    for name, folder in report.folders.items():
        yield f"{name} folder", _describe(folder)
    yield from _device_rows(report)


def _device_rows(report: Report) -> Iterator[tuple[str, str]]:
    for device in report.devices or []:
        memory = f", {_gib(device.memory_bytes)}" if device.memory_bytes is not None else ""
        yield f"device {device.device}", f"{device.name}{memory}"
        for op, implementation in device.ops.items():
            yield f"{device.device} {op}", implementation
        for implementation, reason in device.not_used.items():
            yield f"{device.device} not {implementation}", reason


def _describe(folder: Folder) -> str:
    state = "" if folder.exists else ", not made yet"
    return f"{folder.path}{state}, {'writable' if folder.writable else 'NOT WRITABLE'}, {_gib(folder.free_bytes)} free"


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"
