"""What Sirius finds on this machine. Nothing here fails because something is missing: that is what it reports."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from sirius_cli import __version__
from sirius_cli.config import locations

if TYPE_CHECKING:
    from sirius_cli.engine.inventory import DeviceReport

_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "numba",
    "triton",
    "safetensors",
    "huggingface-hub",
    "gguf",
    "pydantic",
    "typer",
    "rich",
)


@dataclass(frozen=True, slots=True)
class Processor:
    """``usable`` is how many of the ``cores`` this process may run on."""

    name: str
    cores: int
    usable: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's memory; None where the system does not tell."""

    total_bytes: int | None
    available_bytes: int | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of our state. One that does not exist yet is ``writable`` if it can be made."""

    path: str
    exists: bool
    writable: bool
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """``packages`` maps to versions, None if missing. ``devices`` is None if ``devices_unknown`` says why."""

    sirius: str
    python: str
    platform: str
    packages: dict[str, str | None]
    processor: Processor
    memory: Memory
    folders: dict[str, Folder]
    devices: "list[DeviceReport] | None"
    devices_unknown: str


def examine(*, with_torch: bool) -> Report:
    """Look at the machine. Devices and ops need torch; ``with_torch`` false leaves them out and is quick."""
    devices, unknown = _devices() if with_torch else (None, "--no-torch was given")
    return Report(
        sirius=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: _version(name) for name in _PACKAGES},
        processor=_processor(),
        memory=_memory(),
        folders=_folders(),
        devices=devices,
        devices_unknown=unknown,
    )


def _devices() -> "tuple[list[DeviceReport] | None, str]":
    try:
        from sirius_cli.engine import inventory
    except (ImportError, OSError) as error:  # OSError: a shared library of torch cannot be loaded
        return None, f"the engine cannot be imported: {error}"
    return inventory.devices(), ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> Processor:
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    name = _first_value(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()
    return Processor(name, cores, usable)


def _memory() -> Memory:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has sysconf or these names
        total = None
    available = _first_value(Path("/proc/meminfo"), "MemAvailable")
    return Memory(total, int(available.split()[0]) * 1024 if available else None)


def _first_value(file: Path, key: str) -> str | None:
    """The first ``key: value`` line's value of a /proc file; None where there is none."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    values = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key)
    return next(values, None)


def _folders() -> dict[str, Folder]:
    return {
        "home": _folder(locations.home()),
        "models": _folder(locations.models_dir()),
        "profiles": _folder(locations.profiles_dir()),
        "cache": _folder(locations.cache_dir()),
    }


def _folder(path: Path) -> Folder:
    # os.path, because Path.exists raises where a parent may not be looked into.
    existing = next(place for place in (path, *path.parents) if os.path.exists(place))
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return Folder(str(path), path.is_dir(), writable, shutil.disk_usage(existing).free)
