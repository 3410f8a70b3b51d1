"""Steps and windows of whole models with random weights, recorded in graphs, against what their bytes allow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from gpu.clock import Clock, Times
from gpu.codes import random_codes
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.engine.drafts import make_policy
from sirius_cli.engine.drafts.policy import DraftPolicy, WeightSizes
from sirius_cli.engine.drafts.quantised import CopyFormat, DraftCopy, Drafters, LayerCopy, row_shapes
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.engine import Engine
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, MlpRunner, dense_mlp
from sirius_cli.engine.window_program import WindowProgram
from sirius_kernels.quant.matrix import QuantMatrix, divides
from sirius_kernels.traffic import Bytes, Method, StepShape, coded_size, step_bytes, window_bytes

KEEP = 0.5
GROUP = 32
DRAFTS: dict[str, DraftSpec] = {
    "coarse": DraftSpec(method="coarse", keep=KEEP),
    "fine": DraftSpec(method="fine", keep=KEEP),
    "int8": DraftSpec(method="dense", precision="int8", group=GROUP),
    "int4": DraftSpec(method="dense", precision="int4", group=GROUP),
}


@dataclass(frozen=True)
class StepTime:
    """One kind of step; ``floor`` is the seconds that its bytes take at the measured bandwidth."""

    model: str
    step: str
    times: Times
    bytes: int
    floor: float


class Steps:
    """The steps of one model behind a text of ``context`` tokens: checks of several sizes, windows of one."""

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        device: str,
        context: int,
        *,
        dtype: str,
        checks: tuple[int, ...],
        window: int,
    ) -> None:
        self.checks, self.size = checks, window
        dense = Profile(draft=DraftSpec(method="dense"))
        self.name, self.context = name, context
        self.engine = Engine.load_random(config, name=name, profile=dense, device=device, dtype=dtype)
        self.model = self.engine.model
        spec, weights = self.model.config, self.model.weights
        self.device, itemsize = weights.head.device, weights.head.dtype.itemsize
        self.shape = StepShape(
            len(spec.layers), spec.hidden_size, spec.intermediate_size, 2 if spec.gated else 1, spec.heads,
            spec.kv_heads, spec.head_dim, weights.head.shape[0], itemsize,
        )  # fmt: skip
        self.cache = KVCache(spec, 1, context + 128, dtype=weights.head.dtype, device=self.device)
        for tensor in (*self.cache.k, *self.cache.v):
            tensor.normal_()
        self.statistic = NeuronStatistic(self.model.down_norms, 1)
        self.statistic.scores.uniform_()
        self.length = torch.tensor([context], device=self.device)
        self.drafters = Drafters(self.model, _random_copy)
        self.fits = divides(spec.hidden_size, GROUP) and divides(spec.intermediate_size, GROUP)
        self._drafts = {name: one for name, one in DRAFTS.items() if one.precision == "native" or self.fits}

    def timed(self, clock: Clock, bandwidth: float) -> Iterator[StepTime]:
        """Time every kind of step, side by side."""
        kinds: dict[str, tuple[Callable[[], object], Bytes]] = {
            "dense step": (self._step(1, dense_mlp), step_bytes(self.shape, 1, self.context))
        }
        for name, spec in self._drafts.items():
            moved = step_bytes(self.shape, 1, self.context, *_moved(spec, self.shape))
            kinds[f"{name} draft step"] = self._step(1, self._policy(spec), self.drafters.of(spec)), moved
        for tokens in self.checks:
            kinds[f"check of {tokens}"] = self._step(tokens, Watch()), step_bytes(self.shape, tokens, self.context)
        for name, spec in self._drafts.items():
            moved = window_bytes(self.shape, self.size, self.context, *_moved(spec, self.shape))
            kinds[f"window of {self.size}, {name}"] = self.window(name), moved
        times = clock.together([call for call, _ in kinds.values()])
        for (name, (_, moved)), one in zip(kinds.items(), times, strict=True):
            yield StepTime(self.name, name, one, moved.total, moved.floor(bandwidth))

    def window(self, draft: str) -> Callable[[], torch.Tensor]:
        """A whole window as decoding records it, always behind the same text."""
        found = self._drafts[draft]
        spec = CorrectionSpec(enabled=True, window=self.size, accept="likelihood", confidence=0.0)
        program = WindowProgram(
            self.model, self.drafters.of(found), self.cache, spec, self._policy(found), None, 1, self.size
        )
        program.begin(1, self.context, self.size - 1, frozenset())

        def run() -> torch.Tensor:
            program.length.fill_(self.context)
            program.limit.fill_(self.size - 1)
            return program.run()

        return run

    def _policy(self, spec: DraftSpec) -> DraftPolicy:
        policy = make_policy(
            spec, self.statistic, self.shape.neurons, 1, self.engine.counts, WeightSizes(), self.model.ops
        )  # fmt: skip
        assert policy is not None
        policy.begin(0)
        return policy

    def _step(self, tokens: int, mlp: MlpRunner, model: Decoder | None = None) -> Callable[[], object]:
        model = model or self.model
        ids = torch.ones(1, tokens, dtype=torch.int64, device=self.device)

        @torch.inference_mode()
        def run() -> torch.Tensor:
            hidden = model.run(ids, self.length, self.cache, mlp=mlp)
            return model.ops.peaks(model.logits(hidden[0])).token

        return run


def _moved(spec: DraftSpec, shape: StepShape) -> tuple[Method, int, float]:
    """What draft steps of ``spec`` read, as :mod:`sirius_kernels.traffic` takes it."""
    bits = {"native": None, "int8": 8, "int4": 4}[spec.precision]
    active = int(KEEP * shape.neurons) if spec.method != "dense" else shape.neurons
    return spec.method, active, shape.itemsize if bits is None else coded_size(bits, spec.group)


def _random_copy(model: Decoder, found: CopyFormat) -> DraftCopy:
    """A copy in the format ``found`` whose codes are drawn: its shape and places are those of a real one."""
    weights = model.weights

    def drawn(shape: tuple[int, ...]) -> QuantMatrix:
        return random_codes(shape, found.bits, found.group, weights.head.device, 0.02)

    layers = tuple(LayerCopy.of(found, *map(drawn, row_shapes(layer, found))) for layer in weights.layers)
    return DraftCopy(drawn(tuple(weights.head.shape)), layers)
