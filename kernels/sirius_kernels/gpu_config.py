"""Launch configurations: pure functions of shapes, sizes of elements and the device."""

from dataclasses import dataclass
from typing import Final

from sirius_kernels.device import DeviceInfo

MOST_TOKENS: Final = 64
"""Tokens of a pass that the kernels are made for. Beyond, arithmetic bounds a product, and torch's are as good."""

_DOT: Final = 16  # the least size that a product on matrix units may have
_WARP_GROUPS: Final = (9, 0)  # from there on four warps multiply out of shared memory, and spend no registers on it
_WARP_OF_CODES: Final = 32 * 32  # codes of a row that a warp multiplies at a time (gpu_bytes.py)
_RESERVED: Final = 4 << 10  # shared memory for what is not buffered loads


@dataclass(frozen=True, slots=True)
class RowsConfig:
    """Blocks of a product of weight rows with tokens: ``units`` outputs by ``tokens``, ``depth`` elements at a time."""

    units: int
    depth: int
    tokens: int
    warps: int
    stages: int


@dataclass(frozen=True, slots=True)
class DownConfig:
    """Blocks of ``mlp_down``: ``columns`` outputs by ``tokens``, ``neurons`` at a time, in ``splits`` shares."""

    columns: int
    neurons: int
    tokens: int
    splits: int
    warps: int
    stages: int


@dataclass(frozen=True, slots=True)
class AttentionConfig:
    """Blocks of attention: ``queries`` of one key head by ``keys``; the cache is read in ``splits`` shares."""

    queries: int
    keys: int
    splits: int
    warps: int
    stages: int


def rows_config(
    units: int, depth: int, rows: int, tokens: int, itemsize: int, device: DeviceInfo, *, codes: bool = False
) -> RowsConfig:
    """How to multiply ``rows`` rows of each of ``units`` units, ``depth`` elements long, with ``tokens`` tokens.

    Several tokens' ``codes`` become fp32 in registers, which larger blocks would spill.
    """
    if tokens == 1:
        return _for_bytes(units, depth, rows, device) if codes else _for_one(depth, rows, itemsize, device)
    block = _token_block(tokens)
    blocks = [size for size in (64, 32) if -(-units // size) >= device.multiprocessors // 3]
    size, deep = (blocks or [16])[0], _fitting(depth, 32 if codes else 128)
    stage = (size * rows + block) * deep * itemsize
    warps = 8 if block > 32 and device.capability < _WARP_GROUPS else 4
    return RowsConfig(size, deep, block, warps, _stages(stage, device))


def _for_one(depth: int, rows: int, itemsize: int, device: DeviceInfo) -> RowsConfig:
    """Few rows a block, and long stretches of them: that is what is fetched before the token is known."""
    units, deep = 4 // rows, _fitting(depth, 4096 // itemsize)
    return RowsConfig(units, deep, 1, 4, min(3, _stages(units * rows * deep * itemsize, device)))


def _for_bytes(units: int, depth: int, rows: int, device: DeviceInfo) -> RowsConfig:
    """A thread takes 32 codes of each row at a time. Many rows share the work of turning the token into bytes."""
    sizes = [size for size in (8 // rows, 4 // rows) if -(-units // size) >= 2 * device.multiprocessors]
    deep = max(_WARP_OF_CODES, _fitting(depth, 2 * _WARP_OF_CODES))
    return RowsConfig((sizes or [2 // rows])[0], deep, 1, deep // _WARP_OF_CODES, 1)


def down_config(
    picked: int, width: int, tokens: int, itemsize: int, device: DeviceInfo, *, codes: bool = False
) -> DownConfig:
    """How to add up ``picked`` neuron rows of ``width`` for ``tokens`` tokens.

    There are enough shares for four blocks a multiprocessor, one where tokens are several, but none is of less than two
    steps.
    """
    columns, block = _fitting(width, 128), _token_block(tokens)
    neurons = 16 if codes else 64 if itemsize == 2 else 32
    across = -(-width // columns)
    splits = max(1, min((4 if tokens == 1 else 1) * device.multiprocessors // across, picked // (2 * neurons)))
    stage = (columns + block) * neurons * itemsize
    stages = 1 if tokens == 1 and codes else min(2 if tokens == 1 else 4, _stages(stage, device))
    return DownConfig(columns, neurons, block, splits, 4, stages)


def attention_config(
    rows: int,
    kv_heads: int,
    queries: int,
    width: int,
    capacity: int,
    itemsize: int,
    device: DeviceInfo,
    *,
    tree: bool = False,
) -> AttentionConfig:
    """How to attend with ``queries`` (steps times heads of a group) of each key head over ``capacity`` slots.

    It depends on the cache's capacity and not on the length of a text, so that a captured graph serves every length.
    What is seen of a ``tree`` takes registers, which more warps have.
    """
    block = min(64, max(_DOT, _power(queries)))
    keys = 64 if width * itemsize <= 256 else 32
    across = rows * kv_heads * -(-queries // block)
    splits = max(1, min(2 * device.multiprocessors // across, capacity // keys))
    stage = 2 * keys * _power(width) * itemsize
    many = block > 32 and (tree or device.capability < _WARP_GROUPS)
    return AttentionConfig(block, keys, splits, 8 if many else 4, min(2, _stages(stage, device)))


def _stages(stage: int, device: DeviceInfo) -> int:
    """How many loads of ``stage`` bytes may be on their way at once, beside the one that comes before all others."""
    return max(1, min(4, (device.shared_memory - _RESERVED) // stage - 1))


def _token_block(tokens: int) -> int:
    return 1 if tokens == 1 else min(MOST_TOKENS, max(_DOT, _power(tokens)))


def _fitting(size: int, most: int) -> int:
    """A power of two that covers ``size``, at least the least of a product and at most ``most``."""
    return min(most, max(_DOT, _power(size)))


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length() if size > 1 else 1
