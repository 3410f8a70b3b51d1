"""One YAML file of the user's: values of at most two levels that know their line. Faults are collected, not raised."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from sirius_cli.config.faults import Fault


@dataclass(frozen=True, slots=True)
class Shape:
    """Which keys a file may have: single values at the ``top``, and ``sections`` of single values, None for any names.

    ``kind`` names such a file in messages; ``version`` is the newest schema that can be read. ``may_be_empty`` takes a
    file of comments alone for one that says nothing.
    """

    kind: str
    version: int
    top: Sequence[str]
    sections: Mapping[str, Sequence[str] | None]
    may_be_empty: bool = False

    @property
    def keys(self) -> Sequence[str]:
        """What may stand at the top level."""
        return ["schema_version", *self.top, *self.sections]


@dataclass(slots=True)
class Document:
    """What one file says. ``values`` and ``places`` (``file:line``) go by dotted key."""

    label: str
    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def text(self, key: str) -> str:
        """The value of ``key`` where it is a string, else nothing."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""

    def sort_faults(self) -> None:
        """Put the faults into the order of their lines."""
        self.faults.sort(key=lambda fault: int(fault.place.rpartition(":")[2]))


def read(document: Document, content: bytes, shape: Shape) -> bool:
    """Fill ``document`` with what ``content`` says.

    Returns whether the values are worth a further look: not if this is no YAML, or made for a newer program.
    """
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        document.faults.append(_not_yaml(document.label, error))
        return False
    if root is None and shape.may_be_empty:
        return True
    if not isinstance(root, yaml.MappingNode):
        document.faults.append(Fault(f"{document.label}:1", "", f"a {shape.kind} is a mapping of keys to values"))
        return False
    _read_mapping(document, root, "", shape.keys, shape)
    return _check_version(document, shape.version)


def near(name: str, known: Sequence[str]) -> str:
    """ "did you mean ...?" with the known name that ``name`` resembles, or nothing."""
    matches = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {matches[0]}?" if matches else ""


def _not_yaml(label: str, error: Exception) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "nested too deeply"
    return Fault(f"{label}:{mark.line + 1}" if mark else label, "", f"not YAML: {problem}")


def _check_version(document: Document, newest: int) -> bool:
    """A newer file is told from a faulty one by its version alone."""
    version = document.values.pop("schema_version", newest)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        problem = f"must be {newest}, not {version!r}"
        document.faults.append(Fault(document.places["schema_version"], "schema_version", problem))
    elif version > newest:
        problem = f"is {version}, this program reads up to {newest}"
        document.faults = [Fault(document.places["schema_version"], "schema_version", problem)]
        return False
    return True


def _read_mapping(
    document: Document, mapping: yaml.MappingNode, section: str, known: Sequence[str] | None, shape: Shape
) -> None:
    """Only two levels are walked, so no alias can make this expensive."""
    for key, place, value in _entries(document, mapping, section):
        name = key.rpartition(".")[2]
        if known is not None and name not in known:
            document.faults.append(Fault(place, key, _unknown(key, known, shape.kind)))
        elif key in document.places:
            document.faults.append(Fault(place, key, f"given twice, first at {document.places[key]}"))
        else:
            document.places[key] = place
            _read_value(document, key, value, shape)


def _entries(document: Document, mapping: yaml.MappingNode, section: str) -> Iterator[tuple[str, str, yaml.Node]]:
    for key_node, value in mapping.value:
        place = f"{document.label}:{key_node.start_mark.line + 1}"
        if isinstance(key_node, yaml.ScalarNode):
            key = key_node.value if key_node.value.isprintable() else ascii(key_node.value)
            yield f"{section}.{key}" if section else key, place, value
        else:
            document.faults.append(Fault(place, section, "a key must be a plain word"))


def _read_value(document: Document, key: str, node: yaml.Node, shape: Shape) -> None:
    place = document.places[key]
    if key in shape.sections and isinstance(node, yaml.MappingNode):
        _read_mapping(document, node, key, shape.sections[key], shape)
    elif key in shape.sections:
        document.faults.append(Fault(place, key, "must be a mapping of keys to values"))
    elif isinstance(node, yaml.ScalarNode):
        try:
            document.values[key] = yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            document.faults.append(Fault(place, key, f"not a plain value: {getattr(error, 'problem', error)}"))
    else:
        document.faults.append(Fault(place, key, "must be a single value"))


def _unknown(key: str, known: Sequence[str], kind: str) -> str:
    if key == "name":
        return f"unknown key; a {kind} is named by its file"
    hint = near(key.rpartition(".")[2], known) or f"known are {', '.join(known)}"
    return f"unknown key; {hint}"
