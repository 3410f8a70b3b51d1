"""Finished answers on disk: one JSON line each, written as soon as there is one. A run that dies loses none."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from sirius_cli.core.metrics import Tally
from sirius_cli.errors import EnvironmentProblem


@dataclass(frozen=True, slots=True)
class Written:
    """A text that the model wrote. ``truncated`` says that its prompt was too long and lost its beginning.

    ``seconds`` is its share of the engine's time: that of a batch is divided among the answers in the making.
    """

    key: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    prompt_tokens: int
    truncated: bool
    seconds: float
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Scored:
    """A given text that the model scored: ``logprob`` in nats, ``greedy`` whether the model would have written it."""

    key: str
    logprob: float
    greedy: bool
    truncated: bool
    seconds: float


Sample = Written | Scored
_KINDS: dict[str, type[Sample]] = {"written": Written, "scored": Scored}


class SampleStore:
    """The samples of one method, by key. ``add`` puts one on disk at once.

    A line that a dying process left unfinished is cut off when the file is opened; its sample is made again.

    Raises:
        EnvironmentProblem: if the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._samples: dict[str, Sample] = {}
        self._file: IO[bytes] | None = None
        with _naming(path):
            self._read()

    def __contains__(self, key: str) -> bool:
        return key in self._samples

    def __getitem__(self, key: str) -> Sample:
        return self._samples[key]

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: Sample) -> None:
        """Keep ``sample``."""
        kind = next(name for name, type_ in _KINDS.items() if isinstance(sample, type_))
        line = json.dumps({"kind": kind, **asdict(sample)}) + "\n"
        with _naming(self.path):
            if self._file is None:
                self._file = self.path.open("ab")
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        self._samples[sample.key] = sample

    def close(self) -> None:
        """Close the file; ``add`` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def clear(self) -> None:
        """Forget everything, on disk too."""
        self.close()
        self._samples.clear()
        with _naming(self.path):
            self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        if not self.path.exists():
            return
        sound = 0
        with self.path.open("rb+") as file:
            for line in file:
                sample = _parse(line)
                if sample is None:
                    break
                self._samples[sample.key] = sample
                sound += len(line)
            file.truncate(sound)


def _parse(line: bytes) -> Sample | None:
    """The sample of a line; None if it is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        data: Mapping[str, Any] = json.loads(line)
        return _adapter(data["kind"]).validate_python({name: data[name] for name in data if name != "kind"})
    except (ValueError, KeyError, TypeError, ValidationError):
        return None


@cache
def _adapter(kind: str) -> TypeAdapter[Sample]:
    return TypeAdapter(_KINDS[kind])


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot keep samples in {path}: {error.strerror}"
        raise EnvironmentProblem(message, "free some space, or move sirius with SIRIUS_HOME") from error
