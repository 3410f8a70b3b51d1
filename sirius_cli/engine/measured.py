"""What an engine tells of itself and of its device, for measurements."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch

from sirius_cli.core.events import Loaded
from sirius_cli.core.profile import Profile
from sirius_cli.engine.device import Placement
from sirius_cli.engine.drafts import cost_of
from sirius_cli.engine.drafts.policy import StepCost, WeightSizes
from sirius_cli.engine.drafts.quantised import Drafters, sizes_of
from sirius_cli.engine.forward import finished, run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.memory import watch_memory
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.probe import Probe
from sirius_cli.engine.text import Text
from sirius_cli.engine.transformers_probe import TransformersProbe
from sirius_cli.errors import UsageError
from sirius_kernels.bandwidth.op import read_bandwidth

_READ_ELEMENTS = 1 << 26  # 256 MiB of fp32, more than caches hold


class Measured:
    """The part of an engine that decodes nothing."""

    model: Decoder
    drafters: Drafters
    profile: Profile
    loaded: Loaded
    context: int
    counts: ParameterCounts
    _placement: Placement
    _text: Text | None

    @property
    def draft_sizes(self) -> WeightSizes:
        """Of weights as drafts of the present profile read them."""
        return sizes_of(self.profile.draft, self.model.itemsize)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that a dense step reads."""
        return self.counts.read * self.model.itemsize

    @property
    def draft_cost(self) -> StepCost | None:
        """What a draft step of the present profile costs on a single text; None without a draft."""
        draft, neurons = self.profile.draft, self.model.config.intermediate_size
        return cost_of(draft, neurons, self.counts, self.draft_sizes, masked=self.profile.masks_drafts)

    @property
    def token_cache_bytes(self) -> int:
        """Bytes of keys and values that the cache holds for a token."""
        cache = KVCache(self.model.config, 1, 1, dtype=self._placement.dtype, device=self._placement.device)
        return cache.bytes

    def watch_memory(self) -> Callable[[], int]:
        """See :func:`sirius_cli.engine.memory.watch_memory`."""
        return watch_memory(self._placement.device)

    @property
    def threads(self) -> int:
        """How many threads a step uses on the CPU."""
        if self._placement.ops.impl != "numba":
            return torch.get_num_threads()
        from sirius_kernels import cpu_memory

        return cpu_memory.threads()

    def transformers(self, folder: Path) -> TransformersProbe:
        """The checkpoint of ``folder`` under transformers: same device, dtype and number of threads."""
        placement = self._placement
        return TransformersProbe(folder, dtype=placement.dtype, device=placement.device, threads=self.threads)

    @torch.inference_mode()
    def dense_step_ms(self) -> float | None:
        """Time one dense step behind the last text: the yardstick of a check. None before the first answer.

        The step writes to the slot after the text, which the next pass overwrites.
        """
        text = self._text
        if text is None or len(text.ids) >= text.cache.capacity:
            return None
        start = perf_counter()
        finished(run_rows(self.model, text.cache, [0], [text.ids[-1:]], [len(text.ids)], dense_mlp))
        return 1000 * (perf_counter() - start)

    def read_bandwidth(self) -> float:
        """Bytes per second of a plain read of this device's memory, with the threads that steps use."""
        data = torch.ones(_READ_ELEMENTS, device=self._placement.device)
        return read_bandwidth(data, impl=self._placement.ops.impl)

    def probe(self, depth: int, room: int) -> Probe:
        """Single passes behind a text of ``depth`` tokens, of up to ``room`` tokens, for measurements.

        Raises ``UsageError`` where the context is too short.
        """
        if depth + room > self.context:
            message = f"{depth} + {room} tokens do not fit the context of {self.loaded.model}, {self.context}"
            raise UsageError(message, "measure at a smaller depth")
        return Probe(self.model, self.drafters, self.counts, depth=depth, room=room, dtype=self._placement.dtype)
