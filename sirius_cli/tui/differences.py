"""Where one answer says other tokens than another."""

from collections.abc import Sequence
from difflib import SequenceMatcher

_MOST_TOKENS = 4000


def differing(tokens: Sequence[int], reference: Sequence[int]) -> frozenset[int]:
    """The places in ``tokens`` that have no counterpart in ``reference``.

    Very long answers are compared place by place: finding the best match takes time in the square of the length.
    """
    if max(len(tokens), len(reference)) > _MOST_TOKENS:
        same = [one == other for one, other in zip(tokens, reference, strict=False)]
        return frozenset(i for i in range(len(tokens)) if i >= len(same) or not same[i])
    matches = SequenceMatcher(None, tokens, reference, autojunk=False).get_matching_blocks()
    return frozenset(range(len(tokens))) - {match.a + i for match in matches for i in range(match.size)}
