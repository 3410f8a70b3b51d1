"""Other programs with the same weights, to measure beside the engine. Each is loaded only when it is asked for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from sirius_cli.core.events import Loaded
from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import ModelError, SiriusError, UsageError
from sirius_cli.services.bench.speed_plan import Baseline, Tokens
from sirius_cli.services.bench.speed_prompt import prompt_ids
from sirius_cli.services.bench.speed_results import Missing
from sirius_cli.services.model_store import MANIFEST, read_manifest
from sirius_cli.services.progress import Progress, ProgressEvent
from sirius_cli.services.sizes import megabytes

TRANSFORMERS = {"transformers": "eager", "transformers-static": "static", "transformers-compiled": "compiled"}
LLAMA_CPP = "llama-cpp"
NAMES = (*TRANSFORMERS, LLAMA_CPP)
_ALL = "all"
_REASON = 200  # characters
Decoded = tuple[list[int], list[float]]


class Transformers(Protocol):
    """The engine's probe of transformers."""

    def decode(self, ids: Sequence[int], tokens: int, mode: Any) -> Decoded: ...


class Engine(Protocol):
    """The part of the engine that baselines need."""

    @property
    def loaded(self) -> Loaded: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def threads(self) -> int: ...
    def transformers(self, folder: Path) -> Transformers: ...


@dataclass(frozen=True, slots=True)
class Program:
    """A baseline that is ready; see the plan's ``Baseline``."""

    name: str
    run: Callable[[Sequence[int], int], Decoded]
    note: str = ""
    reads_dense: bool = True

    def decode(self, ids: Sequence[int], tokens: int) -> Decoded:
        return self.run(ids, tokens)


def choose(texts: Iterable[str]) -> tuple[str, ...]:
    """The names in ``texts``, each of which may list several with commas between; ``all`` are all.

    Raises:
        UsageError: if one is unknown.
    """
    wanted = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in (*NAMES, _ALL):
            raise UsageError(f"there is no baseline {name!r}", f"give {', '.join(NAMES)} or {_ALL}")
    return tuple(name for name in NAMES if name in wanted or _ALL in wanted)


@dataclass
class Loader:
    """Loads baselines for the model of ``folder``, to use as many threads as the engine.

    Each decodes at once what is the longest of ``prompts`` and of ``answers``, in tokens: what cannot run is known
    before anything is timed, and what compiles has compiled.
    """

    engine: Engine
    folder: Path
    names: tuple[str, ...]
    prompts: Sequence[int]
    answers: Sequence[int]

    def __call__(self, progress: Progress) -> tuple[tuple[Baseline, ...], tuple[Missing, ...]]:
        """Those that run here, and for the others the reason."""
        ready, missing = list[Baseline](), list[Missing]()
        for name in self.names:
            progress(ProgressEvent(f"loading {name}"))
            try:
                ready.append(self._load(name))
            except Exception as error:  # other people's programs raise anything, and the measurement goes on without
                missing.append(Missing(name, _reason(error)))
        return tuple(ready), tuple(missing)

    def _load(self, name: str) -> Baseline:
        program = self._llama_cpp() if name == LLAMA_CPP else self._with_transformers(name)
        program.decode(prompt_ids(self.engine.tokens, max(self.prompts)), max(self.answers) + 1)
        return program

    def _with_transformers(self, name: str) -> Program:
        return Program(name, partial(self._transformers.decode, mode=TRANSFORMERS[name]))

    @cached_property
    def _transformers(self) -> Transformers:
        """One copy of the weights for all of its modes."""
        return self.engine.transformers(self.folder)

    def _llama_cpp(self) -> Program:
        module, file = _llama_cpp_module(), gguf_source(self.folder, self.engine.loaded.model)
        llama = module.Llama(
            model_path=str(file),
            n_ctx=max(self.prompts) + max(self.answers) + 1,
            n_threads=self.engine.threads,
            n_threads_batch=self.engine.threads,
            n_gpu_layers=0 if self.engine.loaded.device == "cpu" else -1,
            verbose=False,
        )
        note = f"weights as its GGUF file has them, {megabytes(file.stat().st_size)}"
        return Program(LLAMA_CPP, partial(_decode_with_llama, llama), note, reads_dense=False)


def gguf_source(folder: Path, name: str) -> Path:
    """The GGUF file that a model's ``folder`` was made from.

    Raises:
        ModelError: if it was not, or the file has gone.
    """
    if not (folder / MANIFEST).exists():
        raise ModelError(f"{name} does not come from a GGUF file")
    file = Path(read_manifest(folder).source)
    if not file.exists():
        raise ModelError(f"the GGUF file of {name} is not there any more: {file}")
    return file


def _llama_cpp_module() -> Any:
    try:
        return import_module("llama_cpp")
    except ImportError as error:
        raise ModelError(f"llama-cpp-python cannot be imported: {error}", "pip install llama-cpp-python") from error


def _decode_with_llama(llama: Any, ids: Sequence[int], tokens: int) -> Decoded:
    found, arrivals = list[int](), list[float]()
    start = perf_counter()
    llama.reset()  # or the prompt would be known from before
    for token in llama.generate(list(ids), temp=0.0, repeat_penalty=1.0):
        found.append(int(token))
        arrivals.append(perf_counter() - start)
        if len(found) == tokens:
            break
    return found, arrivals


def _reason(error: Exception) -> str:
    """One line, without what follows the first of a foreign message."""
    if isinstance(error, SiriusError):
        return str(error)
    first = str(error).strip().split("\n")[0]
    return one_line(f"{type(error).__name__}: {first}")[:_REASON]
