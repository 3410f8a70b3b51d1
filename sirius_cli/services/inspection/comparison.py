"""Two inspections side by side: figures, and where the answers part."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from itertools import zip_longest

from sirius_cli.core.metrics import Metrics
from sirius_cli.services.inspection.facts import Correction, Inspection, Request, metrics_of

_NO_FIGURES = ("advances", "check_cost_ratio")  # a distribution; what a trace does not tell


@dataclass(frozen=True, slots=True)
class FigurePair:
    """One figure of both sides; None where it is undefined."""

    name: str
    left: float | None
    right: float | None

    @property
    def change(self) -> float | None:
        """``right`` minus ``left``, without the noise of the last bits."""
        # Adding 0 turns -0.0 into 0.0.
        return None if self.left is None or self.right is None else round(self.right - self.left, 12) + 0.0


@dataclass(frozen=True, slots=True)
class RequestPair:
    """An answer of either side; one is None where the other has no partner.

    ``differs_at`` is the index of the first token that is not the same, None where there is none; ``left_token`` and
    ``right_token`` are the texts there, empty past an end. ``only_left`` and ``only_right`` are corrections at places,
    up to there, that the other side did not correct; past that index places do not compare.
    """

    left: Request | None
    right: Request | None
    differs_at: int | None
    left_token: str
    right_token: str
    only_left: tuple[Correction, ...]
    only_right: tuple[Correction, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``by_prompt`` says whether answers were paired by the lengths of their prompts, or only by their order."""

    left: Inspection
    right: Inspection
    figures: tuple[FigurePair, ...]
    requests: tuple[RequestPair, ...]
    by_prompt: bool


def compare(left: Inspection, right: Inspection) -> Comparison:
    """Pair the answers in order, by the lengths of their prompts as far as any agree, and set them side by side."""
    blocks = _same_prompts(left.requests, right.requests)
    pairs = _aligned(left.requests, right.requests, blocks) if blocks else zip_longest(left.requests, right.requests)
    return Comparison(left, right, figure_pairs(left, right), tuple(_pair(*both) for both in pairs), bool(blocks))


def figure_pairs(left: Inspection, right: Inspection) -> tuple[FigurePair, ...]:
    """The figures of both, all answers together."""
    one, other = metrics_of(left.requests), metrics_of(right.requests)
    names = [field.name for field in fields(Metrics) if field.name not in _NO_FIGURES]
    return tuple(FigurePair(name, getattr(one, name), getattr(other, name)) for name in names)


def _same_prompts(left: Sequence[Request], right: Sequence[Request]) -> list[tuple[int, int, int]]:
    one, other = ([request.prompt_tokens for request in side] for side in (left, right))
    matching = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return [(block.a, block.b, block.size) for block in matching if block.size]


def _aligned(
    left: Sequence[Request], right: Sequence[Request], blocks: Sequence[tuple[int, int, int]]
) -> list[tuple[Request | None, Request | None]]:
    pairs: list[tuple[Request | None, Request | None]] = []
    i = j = 0
    for a, b, size in [*blocks, (len(left), len(right), 0)]:
        pairs += [(request, None) for request in left[i:a]]
        pairs += [(None, request) for request in right[j:b]]
        pairs += zip(left[a : a + size], right[b : b + size], strict=True)
        i, j = a + size, b + size
    return pairs


def _pair(left: Request | None, right: Request | None) -> RequestPair:
    if left is None or right is None:
        return RequestPair(left, right, None, "", "", (), ())
    at = _first_difference(left, right)
    mine, theirs = _comparable(left, at), _comparable(right, at)
    return RequestPair(
        left, right, at, _text_at(left, at), _text_at(right, at),
        tuple(c for index, c in mine.items() if index not in theirs),
        tuple(c for index, c in theirs.items() if index not in mine),
    )  # fmt: skip


def _first_difference(left: Request, right: Request) -> int | None:
    both = zip_longest(left.tokens, right.tokens)
    return next((i for i, (a, b) in enumerate(both) if a is None or b is None or a.token_id != b.token_id), None)


def _text_at(request: Request, index: int | None) -> str:
    return request.tokens[index].own if index is not None and index < len(request.tokens) else ""


def _comparable(request: Request, until: int | None) -> dict[int, Correction]:
    return {c.index: c for c in request.corrections if until is None or c.index <= until}
