"""Quantised copies of weights for drafts, kept beside the models: made once for each model and format."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sirius_cli.config.locations import models_dir
from sirius_cli.errors import EnvironmentProblem, ModelError
from sirius_cli.services.model_folder import folder_size, weights_identity
from sirius_cli.services.model_store import ModelStore, need_space
from sirius_cli.services.progress import Progress, ProgressEvent
from sirius_cli.services.sample_text import sample_of

if TYPE_CHECKING:
    from sirius_cli.engine.drafts.quantised import CopyFormat, DraftCopy
    from sirius_cli.engine.models.decoder import Decoder
    from sirius_cli.engine.models.layout import DecoderWeights

_LOSSES: Final = "losses.json"
_ROUNDING: Final = 2  # part of the format: raise it when codes, scales or their order change


class StoredCopies:
    """Makes the copies of the model in ``folder``: from disk where there is one, else by rounding, and keeps them.

    A copy belongs to the files of the weights and to the dtype they were loaded as. One that cannot be read is made
    anew, and ``progress`` says so.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._store = ModelStore(models_dir())
        self._model = folder
        self._folder = self._store.quantised(weights_identity(folder))
        self._progress = progress

    def __call__(self, native: "Decoder", found: "CopyFormat") -> "DraftCopy":
        """See :data:`sirius_cli.engine.drafts.quantised.CopyMaker`.

        Raises ``EnvironmentProblem`` where the disk has no room for it, or takes nothing.
        """
        from sirius_cli.engine.drafts.quantised import WITHOUT_COPY

        try:
            return self._kept(native, found)
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(problem.message, f"{problem.hint}; or {WITHOUT_COPY}") from problem

    def _kept(self, native: "Decoder", found: "CopyFormat") -> "DraftCopy":
        from sirius_cli.engine.drafts.copy_files import read_copy

        weights = native.weights
        place = self._folder / _format(weights, found)
        with self._store.locked(self._folder.name, self._progress):
            if place.exists():
                try:
                    return read_copy(place, weights, found)
                except ModelError:
                    self._progress(ProgressEvent(f"The int{found.bits} copy on disk is damaged, and is made anew"))
                    self._store.remove(place, self._folder.name)
            self._make(native, found, place)
        return read_copy(place, weights, found)

    def _make(self, native: "Decoder", found: "CopyFormat", place: Path) -> None:
        from sirius_cli.engine.drafts.copy_files import write_copy
        from sirius_cli.engine.drafts.making import rounded_parts
        from sirius_cli.engine.drafts.quantised import stored_bytes

        size = stored_bytes(native.weights, found)
        need_space(self._store.root, size, f"keep the int{found.bits} copy of the weights")

        def report(done: int) -> None:
            self._progress(ProgressEvent(f"Rounding the weights to int{found.bits} once", done, size))

        report(0)
        text = self._sample(native.config.max_positions) if found.bits == 4 else []
        with self._store.staging(self._folder.name, place) as folder:
            losses = write_copy(folder, rounded_parts(native, found, text), report)
            (folder / _LOSSES).write_text(json.dumps(losses))

    def _sample(self, most: int) -> list[int]:
        """At most so many tokens of a text of many kinds: what a matrix meets on it says which weights matter."""
        from sirius_cli.engine.tokens import Tokens

        return sample_of(Tokens.load(self._model))[:most]


@dataclass(frozen=True, slots=True)
class KeptCopy:
    """A copy on disk.

    ``losses`` of rounding, by kind of matrix and layer: see :class:`sirius_cli.engine.drafts.making.Rounded`.
    """

    name: str
    size_bytes: int
    losses: dict[str, list[float]]


def kept_copies(folder: Path) -> tuple[KeptCopy, ...]:
    """The quantised copies of the model in ``folder``. Nothing is loaded."""
    place = ModelStore(models_dir()).quantised(weights_identity(folder))
    return tuple(_described(copy) for copy in sorted(place.glob("*"))) if place.is_dir() else ()


def _described(copy: Path) -> KeptCopy:
    try:
        losses = json.loads((copy / _LOSSES).read_text())
    except (OSError, ValueError):
        losses = {}  # the next draft will say what is wrong with the copy
    return KeptCopy(copy.name, folder_size(copy), losses)


def _format(weights: "DecoderWeights", found: "CopyFormat") -> str:
    dtype = str(weights.embedding.dtype).removeprefix("torch.")
    order = "" if found.by_neuron else "-by-output"
    better = "".join(f"-{name}8" for name in found.int8)
    return f"{dtype}-int{found.bits}-g{found.group}{better}{order}-v{_ROUNDING}"
