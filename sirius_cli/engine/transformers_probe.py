"""The same weights under transformers, to compare speeds with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch

Mode = Literal["eager", "static", "compiled"]
_RECOMPILATIONS = 64  # each length of a prompt and of an answer needs one; beyond, torch would quietly not compile


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
