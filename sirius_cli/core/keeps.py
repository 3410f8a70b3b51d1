"""Keeps by layer: how a profile spells them, and which ones lose little for the bytes of one keep in all layers."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

_RUN: Final = re.compile(r"(?:([1-9]\d{0,2})x)?(\d(?:\.\d{1,4})?)")
_MOST_LAYERS: Final = 999


def parse_keeps(text: str) -> tuple[float, ...]:
    """The keeps of ``0.75+3x0.4+1``, first layer first.

    Raises:
        ValueError: if that is no such text, or a keep is not above 0 and at most 1.
    """
    runs = [_RUN.fullmatch(part) for part in text.split("+")]
    keeps = [float(run[2]) for run in runs if run for _ in range(int(run[1] or 1))]
    if not all(runs) or not all(0.0 < keep <= 1.0 for keep in keeps) or len(keeps) > _MOST_LAYERS:
        raise ValueError(text)
    return tuple(keeps)


def spell_keeps(keeps: Sequence[float]) -> str:
    """The one spelling of ``keeps``, of which no more than four places count."""
    runs = [(keep, len(list(run))) for keep, run in groupby(f"{round(keep, 4):g}" for keep in keeps)]
    return "+".join(keep if count == 1 else f"{count}x{keep}" for keep, count in runs)


def allocate(curves: Sequence[Sequence[float]], keeps: Sequence[float], mean: float) -> tuple[float, ...]:
    """A keep for each layer so that little is lost, at no more bytes than with the keep ``mean`` in all of them.

    Steps go one by one to the layer that they gain most; where a step gains little and the one behind it much, both
    together. No other keeps lose less where every step of a layer gains less than the one before.

    Args:
        curves: for each layer the loss at each of ``keeps``, in one unit, so that losses of layers may be added.
        keeps: what a layer may have, ascending and equally far apart.
        mean: no less than the first keep.
    """
    left, at = int((mean - keeps[0]) / (keeps[1] - keeps[0]) * len(curves) + 1e-6), [0] * len(curves)
    while left:
        climbs = [climb for layer, curve in enumerate(curves) if (climb := _best(curve, at[layer], left, layer))]
        if not climbs or (best := max(climbs)).gain <= 0.0:
            break
        at[-best.behind] += best.steps
        left -= best.steps
    return tuple(keeps[place] for place in at)


class _Climb(NamedTuple):
    """Some steps of the layer ``-behind`` (of equal ones the first comes first), and what each gains on average."""

    gain: float
    behind: int
    steps: int


def _best(curve: Sequence[float], place: int, left: int, layer: int) -> _Climb | None:
    reach = range(1, min(left, len(curve) - 1 - place) + 1)
    climbs = [_Climb((curve[place] - curve[place + steps]) / steps, -layer, steps) for steps in reach]
    return max(climbs, default=None)
