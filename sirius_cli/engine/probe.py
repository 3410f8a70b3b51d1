"""What measurements need: single passes over the model, the same weights under transformers, the peak of memory.

Decoding is made of single passes, so their ratios say what a window may gain before any text is written.
"""

import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch

from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.drafts import make_policy
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.engine.models.decoder import Decoder, MlpRunner, dense_mlp
from sirius_cli.engine.prefill import CHUNK

Mode = Literal["eager", "static", "compiled"]
_RECOMPILATIONS = 64  # each length of a prompt and of an answer needs one; beyond, torch would quietly not compile


class Probe:
    """A text of ``depth`` random tokens in a KV cache of its own, and passes behind it. Nothing is committed.

    Args:
        depth: tokens that every pass attends to beside its own; at least 1.
        room: the most tokens that a pass may have.
        seed: of the random tokens. What they are changes no time; a coarse draft's neurons follow from them.
    """

    def __init__(
        self, model: Decoder, counts: ParameterCounts, *, depth: int, room: int, dtype: torch.dtype, seed: int = 0
    ) -> None:
        device = model.weights.head.device
        self._model, self._counts, self.depth = model, counts, depth
        self._cache = KVCache(model.config, 1, depth + room, dtype=dtype, device=device)
        generator = torch.Generator().manual_seed(seed)
        self._ids = torch.randint(model.weights.embedding.shape[0], (depth + room,), generator=generator).tolist()
        self._statistic = NeuronStatistic(len(model.config.layers), 1, model.config.intermediate_size, device)
        self._watch = Watch()
        self._fill()

    @property
    def cache_bytes(self) -> int:
        """Bytes of keys and values that a step behind the text reads."""
        return self._cache.bytes // self._cache.capacity * self.depth

    def dense_step(self) -> float:
        """Seconds of one dense decode step."""
        return self._time(1, dense_mlp)

    def check(self, tokens: int) -> float:
        """Seconds of a check of ``tokens`` tokens, its activations watched as in decoding."""
        return self._time(tokens, self._watch)

    def drafts(self, spec: DraftSpec) -> DraftPolicy:
        """The policy of ``spec``, not dense, with its neurons selected for this text."""
        model = self._model
        policy = make_policy(spec, self._statistic, model.config.intermediate_size, 1, self._counts, model.ops)
        if policy is None:
            raise ValueError("a dense step is no draft")
        policy.focus([0])
        return policy

    def draft_step(self, policy: DraftPolicy) -> float:
        """Seconds of one step of a policy that :meth:`drafts` gave."""
        return self._time(1, policy)

    @torch.inference_mode()
    def prefill(self, tokens: int) -> float:
        """Seconds of a dense prefill of ``tokens`` behind the text, in chunks as prompts are read."""
        start = perf_counter()
        for first in range(0, tokens, CHUNK):
            self._run(self.depth + first, min(CHUNK, tokens - first), dense_mlp, last_only=True)
        return perf_counter() - start

    @torch.inference_mode()
    def _fill(self) -> None:
        for first in range(0, self.depth, CHUNK):
            count = min(CHUNK, self.depth - first)
            self._run(first, count, self._statistic, last_only=True)
            self._statistic.fold([0], [count])

    @torch.inference_mode()
    def _time(self, tokens: int, mlp: MlpRunner) -> float:
        start = perf_counter()
        self._run(self.depth, tokens, mlp)
        return perf_counter() - start

    def _run(self, start: int, tokens: int, mlp: MlpRunner, *, last_only: bool = False) -> None:
        ids = self._ids[start : start + tokens]
        logits = run_rows(self._model, self._cache, [0], [ids], [start], mlp, last_only=last_only)
        int(logits[-1].argmax())  # a step ends when its token is known, on a GPU too


class TransformersProbe:
    """A checkpoint under transformers, decoding greedily.

    Its threads are torch's. They wait actively, on the cores of the compiled kernels, so torch has them only while
    this runs.
    """

    def __init__(self, folder: Path, *, dtype: torch.dtype, device: torch.device, threads: int) -> None:
        from transformers import AutoModelForCausalLM, GenerationConfig
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        self._threads = threads
        with _torch_threads(threads):
            model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, local_files_only=True)
        self._model = model.to(device).eval()
        # Greedy and nothing else: no penalty of the checkpoint's, and no end before the length that is asked for.
        greedy = GenerationConfig(do_sample=False, pad_token_id=0)  # type: ignore[no-untyped-call]
        self._model.generation_config = greedy
        self._compiled: Any = None

    def decode(self, ids: Sequence[int], tokens: int, mode: Mode) -> tuple[list[int], list[float]]:
        """``tokens`` ids after the prompt ``ids``, and for each the seconds from the start to its arrival."""
        prompt = torch.tensor([list(ids)], device=self._model.device)
        settings = {} if mode == "eager" else {"cache_implementation": "static", "disable_compile": True}
        arrivals = _Arrivals()
        with _torch_threads(self._threads), self._forward(mode):
            out = self._model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=tokens, streamer=arrivals, **settings
            )
        return out[0, len(ids) :].tolist(), arrivals.seconds[1:]

    @contextmanager
    def _forward(self, mode: Mode) -> Iterator[None]:
        """Let the model's forward be the compiled one for a while."""
        if mode != "compiled":
            yield
            return
        if self._compiled is None:
            torch._dynamo.config.recompile_limit = _RECOMPILATIONS
            self._compiled = torch.compile(self._model.forward)
        self._model.forward = self._compiled
        try:
            yield
        finally:
            del self._model.forward


class _Arrivals:
    """A streamer of transformers that notes when tokens come; the first is the prompt."""

    def __init__(self) -> None:
        self._start = perf_counter()
        self.seconds: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.seconds.append(perf_counter() - self._start)

    def end(self) -> None:
        """Nothing is held back."""


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def watch_memory(device: torch.device) -> Callable[[], int]:
    """Begin to watch memory. What is returned gives the most bytes held since: a GPU's, else this process's.

    Where the system does not let a process forget its peak, it is that of its whole life.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return lambda: int(torch.cuda.max_memory_allocated(device))
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak_of_life
    return _peak_resident


def _peak_resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(peak.split()[1])


def _peak_of_life() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
