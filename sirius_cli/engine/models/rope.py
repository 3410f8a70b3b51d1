"""Rotary positions as complex multiplication: the pair ``(2i, 2i + 1)`` of a head is one complex number.

Checkpoints pair dimension ``i`` with ``i + half``; loading interleaves them (:func:`interleave`), which leaves every
dot product of a query with a key unchanged and makes the rotation one operation in place.
"""

import torch

from sirius_cli.engine.models.config import RopeSpec


class Rope:
    """The rotations of one set of rotary positions; its frequencies stay on ``device``."""

    def __init__(self, spec: RopeSpec, device: torch.device) -> None:
        self._frequencies = torch.tensor(spec.inverse_frequencies, dtype=torch.float32, device=device)
        self._scaling = spec.scaling

    def rotations(self, positions: torch.Tensor) -> torch.Tensor:
        """``scaling * exp(i * position * frequency)``: ``positions[R, T]`` -> ``complex64[R, T, 1, pairs]``."""
        angles = positions[:, :, None, None].float() * self._frequencies
        return torch.polar(torch.full_like(angles, self._scaling), angles)


def interleave(x: torch.Tensor, head_dim: int, rotated: int) -> torch.Tensor:
    """Reorder ``x[H * head_dim, ...]``: in each head, dimensions ``i`` and ``i + rotated / 2`` become neighbours."""
    rest = x.shape[1:]
    heads = x.view(-1, head_dim, *rest)
    halves = heads[:, :rotated].reshape(len(heads), 2, rotated // 2, *rest)
    pairs = halves.transpose(1, 2).reshape(len(heads), rotated, *rest)
    return torch.cat((pairs, heads[:, rotated:]), dim=1).view(x.shape)
