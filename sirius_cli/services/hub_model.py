"""Models of the Hugging Face Hub. Their files stay in its own cache, and its variables hold."""

import errno
import glob
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sirius_cli.errors import EnvironmentProblem, ModelError, SiriusError
from sirius_cli.services.model_folder import NoWeightsError, check_folder
from sirius_cli.services.model_spec import PICKLED_REASON, PICKLED_SUFFIXES, HubSpec
from sirius_cli.services.model_store import disk_full
from sirius_cli.services.progress import Progress, ProgressEvent

_WANTED = ["*.safetensors", "*.json", "*.jinja", "tokenizer*", "*.model", "merges.txt", "vocab.txt"]
_UNWANTED = ["*/*", "consolidated*"]  # other formats of the same weights


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A model in the Hub's cache, named as ``-m`` takes it."""

    name: str
    path: Path
    size_bytes: int


def fetch_folder(spec: HubSpec, *, offline: bool, progress: Progress) -> Path:
    """The snapshot folder of a repository, complete.

    Raises:
        ModelError: unknown, private, gated, without safetensors, or not in the cache while offline.
        EnvironmentProblem: no network or no disk space.
    """
    folder = _snapshot(spec, _WANTED, _UNWANTED, offline, progress)
    try:
        check_folder(folder)
    except NoWeightsError as error:
        raise _no_weights(spec, offline) from error
    return folder


def fetch_gguf(spec: HubSpec, *, offline: bool, progress: Progress) -> Path:
    """The GGUF file that ``spec`` names. Errors as in ``fetch_folder``."""
    assert spec.file is not None
    path = _snapshot(spec, [glob.escape(spec.file)], None, offline, progress) / spec.file
    if path.is_file():
        return path
    if offline:
        raise _not_cached(spec)
    files = [name for name in _list_files(spec) if name.endswith(".gguf")]
    found = f"it has {', '.join(files[:8])}" if files else "it has no GGUF file"
    raise ModelError(f"{spec.repo} has no file {spec.file}", found)


def cached_models() -> list[CachedModel]:
    """The usable models of the Hub's cache: repositories with safetensors, and GGUF files."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return []
    found: list[CachedModel] = []
    for repo in cache.repos:
        if repo.repo_type == "model" and repo.revisions:
            newest = max(repo.revisions, key=lambda revision: ("main" in revision.refs, revision.last_modified))
            found += _usable(repo.repo_id, newest.snapshot_path)
    return sorted(found, key=lambda model: model.name)


def _usable(repo: str, folder: Path) -> list[CachedModel]:
    files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    models = [CachedModel(f"{repo}:{name}", folder / name, size) for name, size in files.items() if _is_gguf(name)]
    if "config.json" in files and any(name.endswith(".safetensors") for name in files):
        size = sum(size for name, size in files.items() if not _is_gguf(name))
        models.append(CachedModel(repo, folder, size))
    return models


def _is_gguf(name: str) -> bool:
    return name.lower().endswith(".gguf")


def _snapshot(spec: HubSpec, wanted: list[str], unwanted: list[str] | None, offline: bool, progress: Progress) -> Path:
    import huggingface_hub

    with _explained(spec, offline):
        folder = huggingface_hub.snapshot_download(
            spec.repo,
            revision=spec.revision,
            allow_patterns=wanted,
            ignore_patterns=unwanted,
            local_files_only=offline,
            tqdm_class=_reporting_bar(f"Fetching {spec.name}", progress),
        )
    return Path(folder)


def _list_files(spec: HubSpec) -> list[str]:
    import huggingface_hub

    with _explained(spec, offline=False):
        return list(huggingface_hub.HfApi().list_repo_files(spec.repo, revision=spec.revision))


def _no_weights(spec: HubSpec, offline: bool) -> ModelError:
    if offline:
        return _not_cached(spec)
    files = _list_files(spec)
    if pickled := next((name for name in files if name.endswith(PICKLED_SUFFIXES)), None):
        return ModelError(
            f"{spec.name} has no safetensors, only {pickled}: {PICKLED_REASON}",
            "look for a revision or a copy of the model with safetensors",
        )
    if gguf := next((name for name in files if _is_gguf(name)), None):
        return ModelError(f"{spec.name} has no safetensors", f"name one of its GGUF files: {spec.repo}:{gguf}")
    return ModelError(f"{spec.name} has no weights", "check the name")


@contextmanager
def _explained(spec: HubSpec, offline: bool) -> Iterator[None]:
    """Turn what the Hub's client raises into one clear line."""
    from huggingface_hub import errors

    network_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # of the HTTP client in use
    try:
        yield
    except (
        errors.HfHubHTTPError,
        errors.EntryNotFoundError,
        errors.HFValidationError,
        errors.OfflineModeIsEnabled,
    ) as e:
        raise _explain(spec, e, offline) from e
    except network_error as error:
        raise _unreachable(spec) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(Path(error.filename or ".")) from error
        raise EnvironmentProblem(f"cannot fetch {spec.name}: {error}", "try again") from error


def _explain(spec: HubSpec, error: Exception, offline: bool) -> SiriusError:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{spec.repo} is gated: its owner has not granted you access",
            "ask for access on the model's page on the Hub, log in with `hf auth login`, then try again",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(
            f"no model {spec.repo} on the Hub, or it is private",
            "check the name; for a private model log in with `hf auth login`",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(
            f"{spec.repo} has no revision {spec.revision!r}", "check the name of the branch, tag or commit"
        )
    if isinstance(error, errors.HFValidationError):
        return ModelError(f"{spec.repo!r} is no name of a model on the Hub", "check the name")
    if offline or isinstance(error, errors.OfflineModeIsEnabled) or _says_offline():
        return _not_cached(spec)
    if isinstance(error, errors.LocalEntryNotFoundError):
        return _unreachable(spec)
    return EnvironmentProblem(f"the Hub refused {spec.name}: {str(error).splitlines()[0]}", "try again later")


def _says_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _not_cached(spec: HubSpec) -> ModelError:
    return ModelError(
        f"{spec.name} is not in the Hugging Face cache, or not complete there, and the network is not touched here",
        f"run `sirius models pull {spec.name}` with the network",
    )


def _unreachable(spec: HubSpec) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot reach the Hub for {spec.name}", "check the network, or give a local model with -m"
    )


def _reporting_bar(stage: str, progress: Progress) -> type[Any]:
    """A tqdm that draws nothing and reports the bytes."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class ReportingBar(tqdm):  # type: ignore[misc]  # untyped base
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            # Bytes on the wire are a second bar beside the bytes of the files.
            self.reports = kwargs.get("unit") == "B" and kwargs.get("desc") != "Downloading bytes"
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> None:
            super().update(n)
            if self.reports:
                progress(ProgressEvent(stage, int(self.n), int(self.total) if self.total else None))

    return ReportingBar
