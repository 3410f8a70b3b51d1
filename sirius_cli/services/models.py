"""Use cases on models: resolve a name to a folder, list, describe and remove."""

from dataclasses import dataclass
from pathlib import Path

from sirius_cli.config.locations import models_dir
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.builtin_model import BUILTINS, BuiltinModel, fetch_builtin, find_builtin
from sirius_cli.services.draft_copies import KeptCopy, kept_copies
from sirius_cli.services.gguf_convert import ensure_converted
from sirius_cli.services.hub_model import cached_models, fetch_folder, fetch_gguf
from sirius_cli.services.model_folder import ModelFacts, check_folder, folder_size, read_facts, weights_identity
from sirius_cli.services.model_spec import BuiltinSpec, FolderSpec, GgufSpec, HubSpec, ModelSpec, parse_spec
from sirius_cli.services.model_store import ModelStore, key_of
from sirius_cli.services.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """``path`` is a folder with config, safetensors and tokenizer that transformers can load as it is."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One line of the list. ``name`` is what ``-m`` takes; ``path`` is None if there is nothing on disk yet."""

    name: str
    source: str
    state: str
    size_bytes: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that is ready for use."""

    name: str
    source: str
    path: Path
    facts: ModelFacts
    copies: tuple[KeptCopy, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """What will go, or is gone: folders and their locks' keys, and the bytes they take."""

    name: str
    targets: tuple[tuple[Path, str], ...]
    size_bytes: int


def resolve(spec: str, *, offline: bool = False, progress: Progress = silent) -> ResolvedModel:
    """Find the model that ``spec`` names, fetching and converting what is needed.

    A ready model is found in milliseconds, without torch and, but for names of the Hub, without the network.

    Raises:
        ModelError: unknown, broken, gated, or not there while offline.
        EnvironmentProblem: no network, disk space or memory.
    """
    parsed = parse_spec(spec)
    path = _resolve_path(parsed, offline, progress)
    _check(path, spec)
    return ResolvedModel(_display_name(parsed), path)


def describe(spec: str) -> ModelDescription:
    """Describe a model that is ready; nothing is fetched or converted.

    Raises:
        ModelError: it is not ready.
    """
    parsed = parse_spec(spec)
    path = _ready_path(parsed)
    if path is None:
        raise ModelError(f"{spec} is not ready yet", f"run `sirius models pull {spec}`")
    _check(path, spec)
    return ModelDescription(_display_name(parsed), _source(parsed), path, read_facts(path), kept_copies(path))


def list_models() -> list[ListedModel]:
    """Built-in models, conversions, and models in the Hugging Face cache."""
    store = _store()
    own = {store.converted(model.sha256) for model in BUILTINS.values()}
    listed = [_list_builtin(store, model) for model in BUILTINS.values()]
    for folder, manifest in store.all_converted():
        if folder not in own:
            listed.append(
                ListedModel(str(folder), f"converted from {manifest.source}", "ready", folder_size(folder), folder)
            )
    for model in cached_models():
        listed.append(ListedModel(model.name, "Hugging Face cache", "ready", model.size_bytes, model.path))
    return listed


def plan_removal(spec: str) -> Removal:
    """What ``remove`` would delete: only what sirius made.

    Raises:
        UsageError: the model was made by others.
        ModelError: there is nothing to remove.
    """
    parsed = parse_spec(spec)
    targets = tuple((path, key) for path, key in (*_own_files(parsed), *_copies(parsed)) if path.exists())
    if not targets:
        raise _nothing_to_remove(parsed, spec)
    return Removal(_display_name(parsed), targets, sum(folder_size(path) for path, _ in targets))


def remove(removal: Removal) -> None:
    """Delete what ``plan_removal`` found."""
    store = _store()
    for path, key in removal.targets:
        with store.locked(key, silent):
            if path.exists():
                store.remove(path, key)


def _store() -> ModelStore:
    store = ModelStore(models_dir())
    store.sweep()
    return store


def _resolve_path(spec: ModelSpec, offline: bool, progress: Progress) -> Path:
    store = _store()
    match spec:
        case FolderSpec(path):
            return path.absolute()
        case GgufSpec(path):
            return _converted(store, path, _display_name(spec), progress)
        case HubSpec(file=None):
            return fetch_folder(spec, offline=offline, progress=progress)
        case HubSpec():
            return _converted(store, fetch_gguf(spec, offline=offline, progress=progress), spec.name, progress)
        case BuiltinSpec(name):
            return _resolve_builtin(store, find_builtin(name), offline, progress)


def _resolve_builtin(store: ModelStore, model: BuiltinModel, offline: bool, progress: Progress) -> Path:
    folder = store.converted(model.sha256)
    if folder.exists():
        return folder
    if offline and not store.builtin(model.name).exists():
        raise ModelError(
            f"builtin:{model.name} is not on this machine, and offline the network is not touched",
            f"run `sirius models pull builtin:{model.name}` with the network",
        )
    source = fetch_builtin(store, model, progress)
    return ensure_converted(store, source, model.sha256, f"builtin:{model.name}", progress)


def _converted(store: ModelStore, source: Path, name: str, progress: Progress) -> Path:
    return ensure_converted(store, source, store.sha256(source, progress), name, progress)


def _ready_path(spec: ModelSpec) -> Path | None:
    store = _store()
    match spec:
        case FolderSpec(path):
            return path.absolute()
        case HubSpec(file=None):
            return fetch_folder(spec, offline=True, progress=silent)
        case _:
            sha256 = _sha256(store, spec)
            folder = store.converted(sha256) if sha256 else None
            return folder if folder and folder.exists() else None


def _sha256(store: ModelStore, spec: ModelSpec) -> str | None:
    match spec:
        case GgufSpec(path):
            return store.sha256(path, silent)
        case HubSpec():
            return store.sha256(fetch_gguf(spec, offline=True, progress=silent), silent)
        case BuiltinSpec(name):
            return find_builtin(name).sha256
        case _:
            return None


def _check(folder: Path, spec: str) -> None:
    try:
        check_folder(folder)
    except ModelError as error:
        if folder.parent != _store().root / "converted":
            raise
        raise ModelError(error.message, f"run `sirius models rm {spec}` and then pull it again") from error


def _own_files(spec: ModelSpec) -> list[tuple[Path, str]]:
    store = _store()
    if isinstance(spec, FolderSpec):
        inside = spec.path.resolve().parent == (store.root / "converted").resolve()
        return [(spec.path.absolute(), spec.path.name)] if inside else []
    if isinstance(spec, HubSpec) and spec.file is None:
        return []
    sha256 = _sha256(store, spec)
    files = [(store.converted(sha256), key_of(sha256))] if sha256 else []
    if isinstance(spec, BuiltinSpec):
        files.append((store.builtin(spec.name).parent, f"builtin-{spec.name}"))
    return files


def _copies(spec: ModelSpec) -> list[tuple[Path, str]]:
    """The quantised copies of a model, whoever made the model itself."""
    try:
        path = _ready_path(spec)
    except ModelError:
        return []
    folder = None if path is None else _store().quantised(weights_identity(path))
    return [] if folder is None else [(folder, folder.name)]


def _nothing_to_remove(spec: ModelSpec, text: str) -> UsageError | ModelError:
    if isinstance(spec, HubSpec):
        return UsageError(
            f"{text} belongs to the Hugging Face cache, which sirius leaves alone",
            f"run `hf cache rm model/{spec.repo}`",
        )
    if isinstance(spec, FolderSpec):
        return UsageError(f"{text} was not made by sirius, which leaves it alone", "delete the folder yourself")
    return ModelError(f"nothing to remove: {text} is not fetched or converted", "see `sirius models list`")


def _list_builtin(store: ModelStore, model: BuiltinModel) -> ListedModel:
    folder, fetched = store.converted(model.sha256), store.builtin(model.name)
    state = "ready" if folder.exists() else "fetched" if fetched.exists() else "not fetched"
    size = sum(folder_size(path) for path in (folder, fetched.parent) if path.exists())
    source = f"{model.title}, {model.licence}"
    return ListedModel(f"builtin:{model.name}", source, state, size, folder if folder.exists() else None)


def _display_name(spec: ModelSpec) -> str:
    match spec:
        case FolderSpec(path):
            return path.absolute().name
        case GgufSpec(path):
            return f"{path.absolute().parent.name}/{path.name}"
        case HubSpec():
            return spec.name
        case BuiltinSpec(name):
            return f"builtin:{name}"


def _source(spec: ModelSpec) -> str:
    match spec:
        case FolderSpec():
            return "folder"
        case GgufSpec(path):
            return f"converted from {path.absolute()}"
        case HubSpec():
            return "Hugging Face Hub"
        case BuiltinSpec(name):
            model = find_builtin(name)
            return f"{model.title}, {model.licence}, from {model.requirement}"
