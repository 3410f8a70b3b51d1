"""Launch configurations that were found by trying, one file a GPU in ``tuned/``; everything else is computed.

``kernels/bench/suite.py`` writes such files. Nothing is tried while a user waits.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

FOLDER = Path(__file__).with_name("tuned")
KINDS = ("rows", "rows of int8", "rows of int4", "down")
Config = TypeVar("Config")


def chosen(kind: str, key: tuple[int, ...], device: str, usual: Config) -> Config:
    """The tuned configuration of ``kind`` for the sizes ``key`` on the GPU named ``device``, else the ``usual`` one."""
    take = _table(device).get((kind, key))
    return usual if take is None else type(usual)(*take)


def file_name(device: str) -> str:
    """The name of the file for the GPU named ``device``."""
    return "".join(letter if letter.isalnum() else "-" for letter in device).lower() + ".json"


@cache
def _table(device: str) -> dict[tuple[str, tuple[int, ...]], tuple[int, ...]]:
    try:
        data: dict[str, Any] = json.loads((FOLDER / file_name(device)).read_text())
    except FileNotFoundError:
        return {}
    return {
        (kind, tuple(entry["for"])): tuple(entry["take"]) for kind in KINDS for entry in data.get(kind, [])
    }  # fmt: skip


def use(folder: Path) -> None:
    """Take configurations from ``folder`` from now on."""
    global FOLDER
    FOLDER = folder
    _table.cache_clear()
