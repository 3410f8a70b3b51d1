"""The user's settings of the dashboard."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sirius_cli.config import documents
from sirius_cli.config.faults import Fault, FaultsError, check, nest
from sirius_cli.config.locations import config_dir

SCHEMA_VERSION: Final = 1


class Settings(BaseModel):
    """What ``settings.yaml`` may say. Themes, ids of bindings and names of keys are the dashboard's to check."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    theme: str | None = Field(default=None, description="a theme's name; without it the first one")
    ascii: bool | None = Field(default=None, description="draw with ASCII alone; without it as the terminal is able")
    refresh_hz: int = Field(default=25, ge=10, le=60, description="how often the dashboard looks for news")
    show_markdown: bool = Field(default=False, description="show finished answers as rendered Markdown")
    keymap: dict[str, str] = Field(default_factory=dict, description="keys by the id of a binding")


_TOP = [name for name in Settings.model_fields if name not in ("schema_version", "keymap")]
_SHAPE = documents.Shape("settings file", SCHEMA_VERSION, _TOP, {"keymap": None}, may_be_empty=True)


class SettingsError(FaultsError):
    """All that is wrong with the settings."""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and where (``file:line``) each that was given stands, by dotted key."""

    settings: Settings
    places: dict[str, str] = field(default_factory=dict)


def settings_file() -> Path:
    """Where the settings are looked for."""
    return config_dir() / "settings.yaml"


def load_settings(path: Path | None = None) -> LoadedSettings:
    """The settings of ``path``, else of the user's file; a missing file has all defaults.

    Raises:
        SettingsError: with everything that is wrong in it.
    """
    path = path or settings_file()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return LoadedSettings(Settings())
    except OSError as error:
        raise SettingsError([Fault(str(path), "", f"cannot be read: {error.strerror}")]) from error
    return parse_settings(str(path), content)


def parse_settings(label: str, content: bytes) -> LoadedSettings:
    """Read ``content`` as settings; ``label`` names it in places. Raises as :func:`load_settings`."""
    document = documents.Document(label)
    if documents.read(document, content, _SHAPE):
        document.faults += check(document.values, document.places, Settings)
        document.sort_faults()
    if document.faults:
        raise SettingsError(document.faults)
    return LoadedSettings(Settings.model_validate(nest(document.values)), document.places)
