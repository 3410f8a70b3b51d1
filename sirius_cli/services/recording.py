"""The header of a conversation's trace."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from sirius_cli import __version__
from sirius_cli.core.trace import TraceHeader
from sirius_cli.services.session import Session

_PACKAGES = ("torch", "transformers", "numba", "triton")


def header(session: Session, origins: Mapping[str, str]) -> TraceHeader:
    """Describe ``session``. ``origins`` tells where each field of its profile came from."""
    engine = session.engine
    return TraceHeader(
        model=engine.loaded.model,
        device=engine.loaded.device,
        profile=engine.profile,
        origins=dict(origins),
        sampling=session.spec.sampling,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {"sirius-llm": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # triton has no wheel for every platform
    return found
