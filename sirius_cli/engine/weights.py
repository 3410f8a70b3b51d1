"""From a checkpoint to parameters in memory: each tensor is mapped, cast and put in place once."""

import math
from pathlib import Path

import numpy as np
import torch

from sirius_cli.engine.models.checkpoint import Checkpoint, ReadTensor, check_tensors
from sirius_cli.engine.models.config import DecoderConfig
from sirius_cli.engine.models.layout import (
    DecoderWeights,
    LayerWeights,
    tensor_shapes,
)
from sirius_cli.engine.models.rope import interleave
from sirius_cli.errors import EnvironmentProblem
from sirius_kernels.block.weights import MlpWeights, Norm

_CACHE_LINE = 64
_KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_NO_PARAMETERS = ("rotary_emb.inv_freq",)


def stored_dtype(folder: Path, config: DecoderConfig) -> torch.dtype | None:
    """What all matrices in the safetensors of ``folder`` are stored as; None where they are of several kinds."""
    checkpoint = Checkpoint.open(folder)
    matrices = (name for name, shape in tensor_shapes(config).items() if len(shape) > 1)
    kinds = {checkpoint.dtypes.get(name, "") for name in matrices}
    return _KINDS.get(kinds.pop()) if len(kinds) == 1 else None


def load_weights(
    folder: Path,
    config: DecoderConfig,
    *,
    dtype: torch.dtype,
    matrices: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> DecoderWeights:
    """Load the safetensors of ``folder`` as ``dtype``, ``matrices`` as another, if it is given.

    Needs memory for the result and one tensor more.

    Raises ``ModelError`` for weights that are missing, damaged or not those of ``config``, ``EnvironmentProblem``
    when memory runs out.
    """
    checkpoint = Checkpoint.open(folder)
    tied = (config.names.head,) if config.tied_head else ()
    check_tensors(checkpoint, tensor_shapes(config), _NO_PARAMETERS + tied)
    return _Loader(checkpoint, config, dtype, matrices or dtype, torch.device(device)).load()


def allocate(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Uninitialised memory for a parameter, aligned to cache lines."""
    size = math.prod(shape) * dtype.itemsize
    try:
        if device.type != "cpu":
            return torch.empty(shape, dtype=dtype, device=device)
        # NumPy asks the kernel for huge pages, torch does not: fewer TLB misses while a step streams the weights.
        memory = np.empty(size + _CACHE_LINE, np.uint8)
    except (MemoryError, torch.OutOfMemoryError) as error:
        wanted = f"{size / 2**20:.0f} MiB for one tensor"
        raise EnvironmentProblem(f"out of memory on {device} ({wanted})", "use a smaller model or dtype") from error
    shift = -memory.ctypes.data % _CACHE_LINE
    return torch.from_numpy(memory)[shift : shift + size].view(dtype).view(shape)


class _Loader:
    def __init__(
        self,
        checkpoint: Checkpoint,
        config: DecoderConfig,
        dtype: torch.dtype,
        matrices: torch.dtype,
        device: torch.device,
    ) -> None:
        self._checkpoint = checkpoint
        self._config = config
        self._dtype = dtype
        self._matrices = matrices
        self._device = device

    def load(self) -> DecoderWeights:
        config, names = self._config, self._config.names
        with self._checkpoint.reader() as read:
            embedding = self._matrix(read(names.embedding))
            head = embedding if config.tied_head else self._matrix(read(names.head))
            positions = None if names.positions is None else self._copy(read(names.positions))
            final_norm = self._norm(read, names.final_norm)
        layers = tuple(self._layer(index) for index in range(len(config.layers)))
        return DecoderWeights(embedding, positions, layers, final_norm, head)

    def _layer(self, index: int) -> LayerWeights:
        prefix, names = self._config.names.layer.format(index), self._config.names
        # A reader a layer: mapped pages of layers already copied do not pile up beside their copies.
        with self._checkpoint.reader() as read_any:

            def read(name: str) -> torch.Tensor:
                return read_any(prefix + name)

            return LayerWeights(
                attention_norm=self._norm(read, names.attention_norm),
                qkv=self._qkv(read, "weight", (self._config.hidden_size,)),
                qkv_bias=self._qkv(read, "bias", ()) if self._config.qkv_bias else None,
                qk_norm=self._qk_norm(read),
                out=self._matrix(read(f"{names.out}.weight")),
                out_bias=self._copy(read(f"{names.out}.bias")) if self._config.out_bias else None,
                attention_post_norm=self._norm(read, names.attention_post_norm),
                mlp_norm=self._norm(read, names.mlp_norm),
                mlp=self._mlp(read),
                mlp_post_norm=self._norm(read, names.mlp_post_norm),
            )

    def _qkv(self, read: ReadTensor, part: str, columns: tuple[int, ...]) -> torch.Tensor:
        config = self._config
        rows = (config.heads + 2 * config.kv_heads) * config.head_dim
        stacked = allocate((rows, *columns), self._matrices if columns else self._dtype, self._device)
        self._stack(stacked, read, config.names.qkv, part)
        self._interleave_(stacked[: (config.heads + config.kv_heads) * config.head_dim])
        return stacked

    def _qk_norm(self, read: ReadTensor) -> torch.Tensor | None:
        config, names = self._config, self._config.names
        if config.qk_norm == "none":
            return None
        queries, keys = (self._small(read(f"{name}.weight")) for name in (names.q_norm, names.k_norm))
        if config.qk_norm == "head":
            queries, keys = queries.repeat(config.heads), keys.repeat(config.kv_heads)
        weight = torch.cat((queries, keys)) + config.norm_offset
        self._interleave_(weight)
        return weight.view(-1, config.head_dim)

    def _interleave_(self, rows: torch.Tensor) -> None:
        """Pair the rotated dimensions of each head as :mod:`rope` wants them."""
        if self._config.rotated:
            rows.copy_(interleave(rows, self._config.head_dim, self._config.rotated))

    def _mlp(self, read: ReadTensor) -> MlpWeights:
        config, names = self._config, self._config.names
        projections, neurons, width = 2 if config.gated else 1, config.intermediate_size, config.hidden_size
        gate_up = allocate((neurons, projections, width), self._matrices, self._device)
        self._stack(gate_up.transpose(0, 1), read, names.gate_up, "weight")
        down_t = allocate((neurons, width), self._matrices, self._device)
        down_t.copy_(read(f"{names.down}.weight").t())
        if not config.mlp_bias:
            return MlpWeights(gate_up, None, down_t, None, config.activation)
        bias = allocate((neurons, projections), self._dtype, self._device)
        self._stack(bias.t(), read, names.gate_up, "bias")
        return MlpWeights(gate_up, bias, down_t, self._copy(read(f"{names.down}.bias")), config.activation)

    def _stack(self, into: torch.Tensor, read: ReadTensor, names: tuple[str, ...], part: str) -> None:
        """Fill ``into``, seen as rows, with the tensors one below the other; its first dimension splits evenly."""
        row = 0
        for name in names:
            tensor = read(f"{name}.{part}")
            tensor = tensor.view(-1, *into.shape[1:])
            into[row : row + len(tensor)].copy_(tensor)
            row += len(tensor)

    def _norm(self, read: ReadTensor, name: str | None) -> Norm | None:
        config = self._config
        if name is None:
            return None
        weight = self._small(read(f"{name}.weight")) + config.norm_offset if config.norm_affine else None
        bias = self._small(read(f"{name}.bias")) if config.norm_affine and config.norm == "layer" else None
        return Norm(weight, bias, config.norm_eps, centred=config.norm == "layer")

    def _matrix(self, tensor: torch.Tensor) -> torch.Tensor:
        return allocate(tuple(tensor.shape), self._matrices, self._device).copy_(tensor)

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        return allocate(tuple(tensor.shape), self._dtype, self._device).copy_(tensor)

    def _small(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._device, torch.float32, copy=True)
