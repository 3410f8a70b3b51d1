"""Converted model configs, kept on disk: asking transformers takes longer than loading a small model."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter

from sirius_cli.config.locations import cache_dir
from sirius_cli.engine.models.config import DecoderConfig

_ADAPTER = TypeAdapter(DecoderConfig)
_SOURCES = ("config.py", "families.py")


def remembered(config_json: Path, convert: Callable[[], DecoderConfig]) -> DecoderConfig:
    """What ``convert`` made of ``config_json`` the last time, or makes of it now.

    A kept result serves only the same bytes, the same code and the same transformers. One that is damaged is made
    again; a cache that cannot be written costs time, nothing else.
    """
    kept = cache_dir() / "configs" / f"{_digest(config_json)}.json"
    with suppress(OSError, ValueError):
        return _ADAPTER.validate_json(kept.read_bytes())
    config = convert()
    with suppress(OSError):
        _write(kept, _ADAPTER.dump_json(config))
    return config


def _digest(config_json: Path) -> str:
    digest = hashlib.sha256(version("transformers").encode())
    for path in (config_json, *(Path(__file__).with_name(name) for name in _SOURCES)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
