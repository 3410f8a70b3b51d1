"""One profile file: from YAML to values that know their line. Faults are collected, not raised."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from pydantic import BaseModel

from sirius_cli.config.faults import Fault, check
from sirius_cli.core.profile import SCHEMA_VERSION, Profile

_SECTIONS: dict[str, list[str]] = {
    name: list(info.annotation.model_fields)
    for name, info in Profile.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
}
_TOP = ["schema_version", "extends", "description", "source", *_SECTIONS]
FIELDS: tuple[str, ...] = tuple(f"{section}.{name}" for section, names in _SECTIONS.items() for name in names)


@dataclass(slots=True)
class Document:
    """What one file says. ``values`` and ``places`` (``file:line``) go by dotted key; ``extends`` is in neither."""

    label: str
    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    extends: str | None = None
    faults: list[Fault] = field(default_factory=list)

    def text(self, key: str) -> str:
        """The value of ``key`` where it is a string, else nothing."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""


def parse(label: str, content: bytes) -> Document:
    """Read ``content`` as a profile; ``label`` names it in places."""
    document = Document(label)
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        document.faults.append(_not_yaml(label, error))
        return document
    if not isinstance(root, yaml.MappingNode):
        document.faults.append(Fault(f"{label}:1", "", "a profile is a mapping of keys to values"))
        return document
    _read_mapping(document, root, "", _TOP)
    _settle(document)
    return document


def near(name: str, known: list[str]) -> str:
    """ "; did you mean ...?" with the known name that ``name`` resembles, or nothing."""
    matches = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {matches[0]}?" if matches else ""


def _not_yaml(label: str, error: Exception) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "nested too deeply"
    return Fault(f"{label}:{mark.line + 1}" if mark else label, "", f"not YAML: {problem}")


def _settle(document: Document) -> None:
    """Validate what was read. A newer file is told from a faulty one by its version alone."""
    version = document.values.pop("schema_version", SCHEMA_VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        problem = f"must be {SCHEMA_VERSION}, not {version!r}"
        document.faults.append(Fault(document.places["schema_version"], "schema_version", problem))
    elif version > SCHEMA_VERSION:
        problem = f"is {version}, this program reads up to {SCHEMA_VERSION}"
        document.faults = [Fault(document.places["schema_version"], "schema_version", problem)]
        return
    extends = document.values.pop("extends", None)
    if isinstance(extends, str):
        document.extends = extends
    elif extends is not None:
        document.faults.append(Fault(document.places["extends"], "extends", "must be a profile's name or file"))
    document.faults += check(document.values, document.places)
    document.faults.sort(key=lambda fault: int(fault.place.rpartition(":")[2]))


def _read_mapping(document: Document, mapping: yaml.MappingNode, section: str, known: list[str]) -> None:
    """Only the two levels that a profile has are walked, so no alias can make this expensive."""
    for key, place, value in _entries(document, mapping, section):
        name = key.rpartition(".")[2]
        if name not in known:
            document.faults.append(Fault(place, key, _unknown(key, known)))
        elif key in document.places:
            document.faults.append(Fault(place, key, f"given twice, first at {document.places[key]}"))
        else:
            document.places[key] = place
            _read_value(document, key, value)


def _entries(document: Document, mapping: yaml.MappingNode, section: str) -> Iterator[tuple[str, str, yaml.Node]]:
    for key_node, value in mapping.value:
        place = f"{document.label}:{key_node.start_mark.line + 1}"
        if isinstance(key_node, yaml.ScalarNode):
            key = key_node.value if key_node.value.isprintable() else ascii(key_node.value)
            yield f"{section}.{key}" if section else key, place, value
        else:
            document.faults.append(Fault(place, section, "a key must be a plain word"))


def _read_value(document: Document, key: str, node: yaml.Node) -> None:
    place = document.places[key]
    if key in _SECTIONS and isinstance(node, yaml.MappingNode):
        _read_mapping(document, node, key, _SECTIONS[key])
    elif key in _SECTIONS:
        document.faults.append(Fault(place, key, "must be a mapping of keys to values"))
    elif isinstance(node, yaml.ScalarNode):
        try:
            document.values[key] = yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            document.faults.append(Fault(place, key, f"not a plain value: {getattr(error, 'problem', error)}"))
    else:
        document.faults.append(Fault(place, key, "must be a single value"))


def _unknown(key: str, known: list[str]) -> str:
    if key == "name":
        return "unknown key; a profile is named by its file"
    hint = near(key.rpartition(".")[2], known) or f"known are {', '.join(known)}"
    return f"unknown key; {hint}"
