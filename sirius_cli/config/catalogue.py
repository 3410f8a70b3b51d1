"""The profiles there are: shipped ones, the user's own, and any file. A profile may extend another."""

import os
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath

from sirius_cli.config.documents import near
from sirius_cli.config.faults import Fault, ProfileError
from sirius_cli.config.files import Document, parse
from sirius_cli.config.locations import profiles_dir
from sirius_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Source:
    """A profile's file. ``label`` is how messages spell it."""

    name: str
    label: str
    file: Traversable
    shipped: bool


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A sound profile with all that it extends: values and places (``file:line``) by dotted key."""

    source: Source
    description: str
    numbers_from: str
    values: dict[str, object]
    places: dict[str, str]


def sources() -> list[Source]:
    """Every profile that has a name, shipped ones first. A user's own hides a shipped one of its name."""
    shipped = {source.name: source for source in _shipped()}
    return list({**shipped, **{source.name: source for source in _own()}}.values())


def find(spec: str, *, beside: Path | None = None, hidden: Traversable | None = None) -> Source:
    """The profile that ``spec`` names: a name, or a file if it has a slash or ends in .yaml.

    A relative file is looked up in the folder ``beside``, else in the working directory. ``hidden`` is the file that
    asks: a user's ``sirius`` that extends ``sirius`` means the shipped one.

    Raises:
        UsageError: if there is no such profile.
    """
    if is_file(spec):
        path = (beside or Path()) / spec
        if not path.is_file():
            raise UsageError(f"no profile file {str(path)!r}")
        return Source(path.stem, str(path), path, shipped=False)
    found = [source for source in (*_own(), *_shipped()) if source.name == spec and not _same(source.file, hidden)]
    if not found:
        names = sorted({source.name for source in sources()})
        hint = near(spec, names) or f"there are {', '.join(names)}"
        raise UsageError(f"no profile named {spec!r}", hint)
    return found[0]


def is_file(spec: str) -> bool:
    """Whether ``spec`` names a file, not a profile in the catalogue."""
    return os.sep in spec or "/" in spec or spec.endswith((".yaml", ".yml"))


def load(spec: str) -> LoadedProfile:
    """Read the profile that ``find`` finds for ``spec``, and what it extends.

    Raises:
        UsageError: if there is no such profile.
        ProfileError: with everything that is wrong in it and in what it extends.
    """
    return load_source(find(spec))


def load_source(source: Source) -> LoadedProfile:
    """Read ``source`` and what it extends. Raises ProfileError as ``load`` does."""
    chain = _chain(source)
    if faults := [fault for document in chain for fault in document.faults]:
        raise ProfileError(faults)
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    for document in reversed(chain):
        values |= {key: value for key, value in document.values.items() if "." in key}
        places |= {key: place for key, place in document.places.items() if key in values}
    leaf = chain[0]
    return LoadedProfile(source, leaf.text("description"), leaf.text("source"), values, places)


def _chain(source: Source) -> list[Document]:
    """The documents from ``source`` to the last that it extends. A fault in the chain ends it."""
    trail, documents = [source], [_read(source)]
    while (wanted := documents[-1].extends) is not None:
        document = documents[-1]
        try:
            following = _extended(wanted, trail)
            documents.append(_read(following))
        except UsageError as error:
            document.faults.append(Fault(document.places["extends"], "extends", str(error)))
            break
        trail.append(following)
    return documents


def _extended(wanted: str, trail: list[Source]) -> Source:
    asking = trail[-1]
    beside = Path(asking.label).parent if not asking.shipped else None
    following = find(wanted, beside=beside, hidden=asking.file if not asking.shipped else None)
    if any(_same(following.file, source.file) for source in trail):
        circle = " -> ".join(source.name for source in (*trail, following))
        raise UsageError(f"goes round in a circle, {circle}")
    return following


def _same(one: Traversable, other: Traversable | None) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    return one == other


def _read(source: Source) -> Document:
    try:
        return parse(source.label, source.file.read_bytes())
    except OSError as error:
        raise ProfileError([Fault(source.label, "", f"cannot be read: {error.strerror}")]) from error


def _shipped() -> list[Source]:
    entries = (entry for entry in files("sirius_profiles").iterdir() if entry.name.endswith(".yaml"))
    found = (Source(PurePath(entry.name).stem, f"profiles/{entry.name}", entry, shipped=True) for entry in entries)
    return sorted(found, key=lambda source: source.name)


def _own() -> list[Source]:
    folder = profiles_dir()
    entries = folder.glob("*.yaml") if folder.is_dir() else ()
    return [Source(entry.stem, str(entry), entry, shipped=False) for entry in sorted(entries)]
