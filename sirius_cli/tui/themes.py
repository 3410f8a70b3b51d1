"""The dashboard's colours: themes from YAML files, shipped ones and the user's own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError
from textual.theme import Theme

from sirius_cli.config import documents
from sirius_cli.config.documents import Document, Shape
from sirius_cli.config.faults import Fault, check, nest
from sirius_cli.config.locations import config_dir
from sirius_cli.errors import UsageError

DEFAULT = "night"
_LIGHT = "day"
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def _hex(value: object) -> object:
    # YAML takes an unquoted # for the beginning of a comment, so that null stands where a colour was meant.
    if isinstance(value, str) and _HEX.fullmatch(value):
        return value
    raise PydanticCustomError("colour", 'must be a colour in quotes such as "#1e90ff"')


_Colour = Annotated[str, BeforeValidator(_hex)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Colours(_Part):
    """The ground, the text, and what stands out."""

    background: _Colour
    surface: _Colour
    panel: _Colour
    foreground: _Colour
    primary: _Colour
    secondary: _Colour
    accent: _Colour
    success: _Colour
    warning: _Colour
    error: _Colour


class Marks(_Part):
    """Tokens by origin, windows by outcome, and the lines of the charts. Style sheets know them as ``$mark-NAME``."""

    drafted: _Colour
    corrected: _Colour
    bonus: _Colour
    lookup: _Colour
    accepted: _Colour
    rewound: _Colour
    density: _Colour
    rate: _Colour
    reference: _Colour
    axis: _Colour
    activity: _Colour


class ThemeFile(_Part):
    """What a theme's file says. A user's own may leave out what the default of its kind, dark or light, has."""

    schema_version: Literal[1] = 1
    description: str = ""
    dark: bool = True
    colours: Colours
    marks: Marks


_SHAPE = Shape(
    "theme", 1, ["description", "dark"], {"colours": list(Colours.model_fields), "marks": list(Marks.model_fields)}
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The sound themes by name, and what is wrong with the others."""

    themes: dict[str, Theme]
    faults: dict[str, tuple[Fault, ...]]

    def choose(self, name: str) -> Theme:
        """The theme called ``name``.

        Raises:
            UsageError: if there is none, or with all that is wrong in it.
        """
        if faults := self.faults.get(name):
            raise UsageError("; ".join(map(str, faults)), f"mend it or take another, such as {DEFAULT}")
        if name not in self.themes:
            names = sorted(self.themes)
            raise UsageError(f"no theme named {name!r}", documents.near(name, names) or f"there are {', '.join(names)}")
        return self.themes[name]


def catalogue() -> Catalogue:
    """Every theme. A user's own hides a shipped one of its name."""
    found = Catalogue(dict(_shipped()), {})
    for name, label, file in _own():
        document = _read(label, file)
        if document.faults:
            found.faults[name] = tuple(document.faults)
        else:
            found.themes[name] = _theme(name, ThemeFile.model_validate(nest(document.values)))
    return found


def default_variables() -> dict[str, str]:
    """The variables of the default theme, for themes that do not have ours."""
    return dict(_shipped()[DEFAULT].variables)


@cache
def _shipped() -> dict[str, Theme]:
    return {name: _theme(name, ThemeFile.model_validate(nest(values))) for name, values in _shipped_values().items()}


@cache
def _shipped_values() -> dict[str, dict[str, object]]:
    entries = (entry for entry in (files("sirius_cli.tui") / "themes").iterdir() if entry.name.endswith(".yaml"))
    ordered = sorted(entries, key=lambda entry: entry.name)
    return {PurePath(entry.name).stem: _values(entry) for entry in ordered}


def _values(file: Traversable) -> dict[str, object]:
    document = Document(file.name)
    documents.read(document, file.read_bytes(), _SHAPE)
    return document.values


def _own() -> Iterator[tuple[str, str, Traversable]]:
    folder = config_dir() / "themes"
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        yield path.stem, str(path), path


def _read(label: str, file: Traversable) -> Document:
    """A user's theme, completed by the default one of its kind."""
    document = Document(label)
    try:
        content = file.read_bytes()
    except OSError as error:
        document.faults.append(Fault(label, "", f"cannot be read: {error.strerror}"))
        return document
    if documents.read(document, content, _SHAPE):
        base = _LIGHT if document.values.get("dark") is False else DEFAULT
        document.values = _shipped_values()[base] | {"description": ""} | document.values
        document.faults += check(document.values, document.places, ThemeFile)
        document.sort_faults()
    return document


def _theme(name: str, file: ThemeFile) -> Theme:
    marks = {f"mark-{mark}": colour for mark, colour in file.marks.model_dump().items()}
    return Theme(
        name=name,
        dark=file.dark,
        text_alpha=1.0,
        variables={**marks, "footer-key-foreground": file.colours.accent, "footer-background": file.colours.surface},
        **file.colours.model_dump(),
    )
