"""What a check keeps. Each rule is a pure function of the dense logits and the draft."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.engine.sampling import Chooser, distribution, probabilities_of
from sirius_kernels.peaks.op import Peaks


@dataclass(frozen=True, slots=True)
class Verdict:
    """``accepted`` drafted tokens stay; ``token`` is the dense token after them."""

    accepted: int
    token: int


def agrees(logits: torch.Tensor, drafted: torch.Tensor) -> torch.Tensor:
    """``bool[A]``: whether ``drafted[A]`` is the argmax of ``logits[A, V]``. Promise: equal to dense greedy text."""
    return logits.argmax(-1) == drafted


def is_likely(logits: torch.Tensor, drafted: torch.Tensor, threshold: float, temperature: float) -> torch.Tensor:
    """``bool[A]``: whether ``drafted[A]`` is the argmax or has probability ``threshold`` at ``temperature``.

    Zhou et al., arXiv 2409.03856. Unlike there, the argmax of a flat distribution is accepted as well.
    """
    return (probabilities_of(logits / temperature, drafted) >= threshold) | agrees(logits, drafted)


def accepts(spec: CorrectionSpec, logits: torch.Tensor, drafted: torch.Tensor) -> torch.Tensor:
    """``bool[A]``: which of ``drafted[A]`` to keep under ``logits[A, V]``; the exact rule is greedy decoding's."""
    if spec.accept == "exact":
        return agrees(logits, drafted)
    return is_likely(logits, drafted, spec.threshold, spec.temperature)


def accepts_by_peaks(spec: CorrectionSpec, found: Peaks, scores: torch.Tensor, drafted: torch.Tensor) -> torch.Tensor:
    """:func:`accepts` from the peaks of the logits at ``spec.temperature``, and the ``scores[A]`` of the drafted."""
    count = len(drafted)
    agreed = found.token[:count] == drafted
    if spec.accept == "exact":
        return agreed
    return ((scores / spec.temperature - found.warm[:count]).exp() >= spec.threshold) | agreed


def accepted_prefix(kept: torch.Tensor) -> int:
    """How many of ``kept[A]`` are true before the first false."""
    return int(kept.long().cumprod(0).sum())


def speculative(p: torch.Tensor, q: Sequence[torch.Tensor], drafted: Sequence[int], chooser: Chooser) -> Verdict:
    """Speculative sampling: the output is distributed as ``p``. Leviathan et al., arXiv 2211.17192, algorithm 1.

    ``p[A+1, V]`` is the dense distribution at each place, ``q[i][V]`` the one that ``drafted[i]`` was drawn from.
    """
    for i, token in enumerate(drafted):
        if chooser.uniform() * float(q[i][token]) >= float(p[i, token]):
            residual = (p[i] - q[i]).clamp_min(0.0)
            # The two can only be equal up to rounding here; then the residual is empty and p itself is right.
            return Verdict(i, chooser.draw(residual if residual.sum() > 0 else p[i]))
    return Verdict(len(drafted), chooser.draw(p[len(drafted)]))


def judge(
    spec: CorrectionSpec,
    chooser: Chooser,
    logits: torch.Tensor,
    drafted: Sequence[int],
    q: Sequence[torch.Tensor],
) -> Verdict:
    """Apply the profile's rule to ``drafted[A]`` under the dense ``logits[A+1, V]``."""
    if spec.accept == "exact" and not chooser.greedy:
        return speculative(distribution(logits, chooser.spec), q, drafted, chooser)
    accepted = 0
    if drafted:
        tokens, before = torch.tensor(drafted, device=logits.device), logits[: len(drafted)]
        accepted = accepted_prefix(accepts(spec, before, tokens))
    return Verdict(accepted, chooser.choose(logits[accepted])[0])
