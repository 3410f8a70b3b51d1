"""The header of a conversation's trace."""

import platform
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from sirius_cli import __version__
from sirius_cli.core.events import Loaded, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import SamplingSpec
from sirius_cli.core.trace import TraceHeader, TraceWriter
from sirius_cli.services.session import Session

_PACKAGES = ("torch", "transformers", "numba", "triton")


def header(session: Session, origins: Mapping[str, str]) -> TraceHeader:
    """Describe ``session``. ``origins`` tells where each field of its profile came from."""
    engine = session.engine
    return describe(engine.loaded, engine.profile, origins, session.spec.sampling)


def describe(loaded: Loaded, profile: Profile, origins: Mapping[str, str], sampling: SamplingSpec) -> TraceHeader:
    """The header of a run of ``loaded`` as ``profile`` says."""
    return TraceHeader(
        model=loaded.model,
        device=loaded.device,
        profile=profile,
        origins=dict(origins),
        sampling=sampling,
        versions=versions(),
    )


class LiveTrace:
    """Records events into a file that is begun once the model is known, by its ``Loaded``. Call it with every event."""

    def __init__(self, path: Path, profile: Profile, origins: Mapping[str, str], sampling: SamplingSpec) -> None:
        self._path = path
        self._profile = profile
        self._origins = origins
        self._sampling = sampling
        self._files = ExitStack()
        self._writer: TraceWriter | None = None

    def __call__(self, event: StepEvent) -> None:
        """Raises SiriusError where the file cannot be written."""
        if self._writer is None and isinstance(event, Loaded):
            header = describe(event, self._profile, self._origins, self._sampling)
            self._writer = self._files.enter_context(TraceWriter(self._path, header))
        if self._writer is not None:
            self._writer.write(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._files.close()


def versions(*more: str) -> dict[str, str]:
    """What decides about a run besides its settings, by package (or "python"); ``more`` are further packages."""
    found = {"sirius-llm": __version__, "python": platform.python_version()}
    for package in (*_PACKAGES, *more):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # triton has no wheel for every platform
    return found
