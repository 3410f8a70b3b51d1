"""Where state lives. ``SIRIUS_HOME`` moves all of it; nothing here creates a folder."""

import os
from pathlib import Path

import platformdirs

_APPLICATION = "sirius"


def home() -> Path:
    """The folder of all state: ``SIRIUS_HOME``, else the user's data folder of this platform."""
    return _own_home() or platformdirs.user_data_path(_APPLICATION, appauthor=False)


def models_dir() -> Path:
    """Fetched built-in models and converted ones."""
    return home() / "models"


def config_dir() -> Path:
    """The user's settings."""
    own = _own_home()
    return own / "config" if own else platformdirs.user_config_path(_APPLICATION, appauthor=False)


def profiles_dir() -> Path:
    """The user's own profiles."""
    return config_dir() / "profiles"


def cache_dir() -> Path:
    """What may be deleted at any time and is made anew."""
    own = _own_home()
    return own / "cache" if own else platformdirs.user_cache_path(_APPLICATION, appauthor=False)


def _own_home() -> Path | None:
    value = os.environ.get("SIRIUS_HOME")
    return Path(value).expanduser().absolute() if value else None
