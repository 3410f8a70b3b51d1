"""Single passes over the model, timed apart: what a dense step, a draft step and a check cost at a given depth.

Decoding is made of single passes, so their ratios say what a window may gain before any text is written.
"""

from time import perf_counter

import torch

from sirius_cli.core.profile import DraftSpec
from sirius_cli.engine.drafts import make_policy
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.quantised import Drafters, sizes_of
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.forward import run_rows
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.counts import ParameterCounts
from sirius_cli.engine.models.decoder import Decoder, MlpRunner, dense_mlp
from sirius_cli.engine.prefill import CHUNK


class Probe:
    """A text of ``depth`` random tokens in a KV cache of its own, and passes behind it. Nothing is committed.

    Args:
        depth: tokens that every pass attends to beside its own; at least 1.
        room: the most tokens that a pass may have.
        seed: of the random tokens. What they are changes no time; a coarse draft's neurons follow from them.
    """

    def __init__(
        self,
        model: Decoder,
        drafters: Drafters,
        counts: ParameterCounts,
        *,
        depth: int,
        room: int,
        dtype: torch.dtype,
        seed: int = 0,
    ) -> None:
        device = model.weights.head.device
        self._model, self._drafters, self._counts, self.depth = model, drafters, counts, depth
        self._cache = KVCache(model.config, 1, depth + room, dtype=dtype, device=device)
        generator = torch.Generator().manual_seed(seed)
        self._ids = torch.randint(model.weights.embedding.shape[0], (depth + room,), generator=generator).tolist()
        self._statistic = NeuronStatistic(model.down_norms, 1)
        self._watch = Watch()
        self._fill()

    @property
    def cache_bytes(self) -> int:
        """Bytes of keys and values that a step behind the text reads."""
        return self._cache.bytes // self._cache.capacity * self.depth

    def dense_step(self) -> float:
        """Seconds of one dense decode step."""
        return self._time(self._model, 1, dense_mlp)

    def check(self, tokens: int) -> float:
        """Seconds of a check of ``tokens`` tokens, its activations watched as in decoding."""
        return self._time(self._model, tokens, self._watch)

    def drafts(self, spec: DraftSpec) -> DraftPolicy:
        """The policy of ``spec``, not native dense, with its neurons selected for this text."""
        model = self._model
        sizes = sizes_of(spec, model.itemsize)
        policy = make_policy(spec, self._statistic, model.config.intermediate_size, 1, self._counts, sizes, model.ops)
        if policy is None:
            raise ValueError("a dense step is no draft")
        policy.begin(0)
        return policy

    def draft_step(self, spec: DraftSpec, policy: DraftPolicy) -> float:
        """Seconds of one step of the policy that :meth:`drafts` gave for ``spec``."""
        return self._time(self._drafters.of(spec), 1, policy)

    @torch.inference_mode()
    def prefill(self, tokens: int) -> float:
        """Seconds of a dense prefill of ``tokens`` behind the text, in chunks as prompts are read."""
        start = perf_counter()
        for first in range(0, tokens, CHUNK):
            self._run(self._model, self.depth + first, min(CHUNK, tokens - first), dense_mlp, last_only=True)
        return perf_counter() - start

    @torch.inference_mode()
    def _fill(self) -> None:
        for first in range(0, self.depth, CHUNK):
            count = min(CHUNK, self.depth - first)
            self._run(self._model, first, count, self._statistic, last_only=True)
            self._statistic.fold([0], [count], [count])

    @torch.inference_mode()
    def _time(self, model: Decoder, tokens: int, mlp: MlpRunner) -> float:
        start = perf_counter()
        self._run(model, self.depth, tokens, mlp)
        return perf_counter() - start

    def _run(self, model: Decoder, start: int, tokens: int, mlp: MlpRunner, *, last_only: bool = False) -> None:
        ids = self._ids[start : start + tokens]
        logits = run_rows(model, self._cache, [0], [ids], [start], mlp, last_only=last_only)
        int(logits[-1].argmax())  # a step ends when its token is known, on a GPU too
