"""The grammar of ``-m/--model``: what a model's name means, before anything is opened or fetched."""

import re
from dataclasses import dataclass
from pathlib import Path

from sirius_cli.errors import ModelError

PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
PICKLED_REASON = "pickled weights can run any code when they are read, so they are refused"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_HUB = re.compile(rf"(?P<repo>{_PART}/{_PART})(@(?P<revision>[^:@\s]+))?(:(?P<file>[^:\s][^:]*))?")
_FORMS = "give a folder, a .gguf file, owner/name, owner/name:file.gguf or builtin:smollm2"


@dataclass(frozen=True, slots=True)
class FolderSpec:
    """A folder in the layout of transformers."""

    path: Path


@dataclass(frozen=True, slots=True)
class GgufSpec:
    """A GGUF file on this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A repository on the Hub, or one GGUF ``file`` of it. ``revision`` None is the default branch."""

    repo: str
    revision: str | None = None
    file: str | None = None

    @property
    def name(self) -> str:
        """``owner/name[@revision][:file]``."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.repo}{revision}" + (f":{self.file}" if self.file else "")


@dataclass(frozen=True, slots=True)
class BuiltinSpec:
    """A model that sirius knows how to fetch by itself."""

    name: str


ModelSpec = FolderSpec | GgufSpec | HubSpec | BuiltinSpec


def parse_spec(text: str) -> ModelSpec:
    """Read a model's name. What exists on disk comes first.

    Raises:
        ModelError: the text is no model, or a file of a kind that is not read.
    """
    path = _as_path(text)
    if path is not None and path.exists():
        return _existing(path)
    if text.startswith("builtin:"):
        return BuiltinSpec(text.removeprefix("builtin:"))
    if path is None or _looks_like_path(text):
        raise ModelError(f"no such model: {text!r} is not an existing folder or file", _FORMS)
    match = _HUB.fullmatch(text)
    if not match:
        raise ModelError(f"unknown model {text!r}", _FORMS)
    return _hub_spec(**match.groupdict())


def _as_path(text: str) -> Path | None:
    if not text.strip() or "\0" in text:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return None


def _existing(path: Path) -> FolderSpec | GgufSpec:
    if path.is_dir():
        return FolderSpec(path)
    if path.suffix.lower() == ".gguf":
        return GgufSpec(path)
    if path.suffix.lower() in PICKLED_SUFFIXES:
        raise ModelError(f"{path}: {PICKLED_REASON}", "give a folder with safetensors or a .gguf file")
    hint = "give its folder" if path.suffix == ".safetensors" else "give a folder with safetensors or a .gguf file"
    raise ModelError(f"{path} is neither a folder nor a .gguf file", hint)


def _looks_like_path(text: str) -> bool:
    return (
        text.startswith(("/", "./", "../", "~", ".\\")) or "\\" in text or (text.endswith(".gguf") and ":" not in text)
    )


def _hub_spec(repo: str, revision: str | None, file: str | None) -> HubSpec:
    spec = HubSpec(repo, revision, file)
    if file is None:
        return spec
    if file.lower().endswith(PICKLED_SUFFIXES):
        raise ModelError(f"{spec.name}: {PICKLED_REASON}", "name a .gguf file, or the repository alone")
    if not file.lower().endswith(".gguf") or ".." in file or file.startswith("/"):
        raise ModelError(f"{spec.name}: {file!r} is not a .gguf file of the repository", _FORMS)
    return spec
