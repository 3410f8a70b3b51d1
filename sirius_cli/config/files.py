"""One profile file: from YAML to values that know their line. Faults are collected, not raised."""

from dataclasses import dataclass

from pydantic import BaseModel

from sirius_cli.config import documents
from sirius_cli.config.faults import Fault, check
from sirius_cli.core.profile import SCHEMA_VERSION, Profile

_SECTIONS: dict[str, list[str]] = {
    name: list(info.annotation.model_fields)
    for name, info in Profile.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
}
_SHAPE = documents.Shape("profile", SCHEMA_VERSION, ("extends", "description", "source"), _SECTIONS)
FIELDS: tuple[str, ...] = tuple(f"{section}.{name}" for section, names in _SECTIONS.items() for name in names)


@dataclass(slots=True)
class Document(documents.Document):
    """What a profile's file says. ``extends`` is not among the values."""

    extends: str | None = None


def parse(label: str, content: bytes) -> Document:
    """Read ``content`` as a profile; ``label`` names it in places."""
    document = Document(label)
    if documents.read(document, content, _SHAPE):
        _settle(document)
    return document


def _settle(document: Document) -> None:
    extends = document.values.pop("extends", None)
    if isinstance(extends, str):
        document.extends = extends
    elif extends is not None:
        document.faults.append(Fault(document.places["extends"], "extends", "must be a profile's name or file"))
    document.faults += check(document.values, document.places)
    document.sort_faults()
