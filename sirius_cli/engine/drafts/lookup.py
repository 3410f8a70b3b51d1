"""Drafts without a model: what followed the newest tokens where the text had them before.

Prompt lookup decoding (Saxena, 2023, github.com/apoorvumang/prompt-lookup-decoding), after Yang et al., *Inference with
Reference* (arXiv 2304.04487). Unlike there, the longest match wins, and a text in which look-ups fail asks for more.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

LONGEST: Final = 32  # tokens of a match that are compared; longer matches are all equally good
PLACES: Final = 64  # the latest places that are compared: a common phrase of a long text has thousands
# A check costs 1.2 dense steps, a token of a full int8 window 0.36 (docs/results/quantised.md): a check that comes
# early has paid for itself once it commits two tokens or so beside its own.
_WORTH: Final = 2
_FORGIVEN: Final = 16  # tokens of text after which a match may be a token shorter again


class Match(NamedTuple):
    """The last ``length`` tokens of a text also stand before its place ``end``."""

    length: int
    end: int


class TextIndex:
    """Where a text has had its last tokens before. ``least`` (1 to ``LONGEST``) is the shortest match, in tokens."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._text: list[int] = []
        self._ends: dict[tuple[int, ...], list[int]] = {}  # by ``least`` tokens: the places behind them, ascending

    def extend(self, tokens: Iterable[int]) -> None:
        """Let the text go on."""
        for token in tokens:
            self._text.append(token)
            if len(self._text) >= self._least:
                self._ends.setdefault(self._key(), []).append(len(self._text))

    def cut(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        while len(self._text) > length:
            if len(self._text) >= self._least:
                self._ends[self._key()].pop()
            self._text.pop()

    def longest_match(self) -> Match | None:
        """The longest of the latest ``PLACES`` earlier matches, the latest of equal ones."""
        earlier = self._ends.get(self._key(), [])[-1 - PLACES : -1]  # the last is the end of the text itself
        best = None
        for end in reversed(earlier):
            length = self._length(end)
            if best is None or length > best.length:
                best = Match(length, end)
            if length == LONGEST:
                break
        return best

    def behind(self, match: Match, count: int) -> list[int]:
        """The ``count`` tokens after ``match``. Where they reach the end of the text, they go on with themselves."""
        found: list[int] = []
        for place in range(match.end, match.end + count):
            beyond = place - len(self._text)
            found.append(self._text[place] if beyond < 0 else found[beyond])
        return found

    def _key(self) -> tuple[int, ...]:
        return tuple(self._text[-self._least :])

    def _length(self, end: int) -> int:
        length, most = self._least, min(LONGEST, end)
        while length < most and self._text[end - 1 - length] == self._text[-1 - length]:
            length += 1
        return length


class Trust:
    """How long a match has to be, by how the look-ups of a text have fared. Lengths are in tokens.

    A wrong look-up costs a check for a single token; a right one saves the steps of a whole window, several times as
    much. So each failure doubles the demand, up to ``LONGEST``, and one success takes it back to ``least``. What was
    learnt fades with the text, or a poor beginning would rule out all that follows.
    """

    def __init__(self, least: int) -> None:
        self._least = self._demand = least
        self._since = 0

    def demand(self, length: int) -> int:
        """The shortest match that is worth a look-up in a text of ``length``."""
        return max(self._least, self._demand - (length - self._since) // _FORGIVEN)

    def judge(self, length: int, offered: int, accepted: int) -> None:
        """In a text of ``length``, ``accepted`` of ``offered`` looked-up tokens were right."""
        right = accepted >= min(_WORTH, offered)
        self._demand = self._least if right else min(LONGEST, 2 * self.demand(length))
        self._since = length


class Lookup:
    """The look-ups of one text. ``least`` (1 to ``LONGEST``) is the shortest match that counts, in tokens."""

    def __init__(self, least: int) -> None:
        self._index = TextIndex(least)
        self._trust = Trust(least)
        self._committed = 0

    def continuation(self, text: Sequence[int], drafted: Sequence[int], count: int) -> list[int]:
        """``count`` tokens that may follow ``text`` and ``drafted``; none without a match that is long enough.

        ``text`` is that of the last call, or longer: what it has grown by is all that this costs, beside the search.
        """
        self._index.cut(self._committed)
        self._index.extend(text[self._committed :])
        self._committed = len(text)
        self._index.extend(drafted)
        match = self._index.longest_match()
        if match is None or match.length < self._trust.demand(len(text)):
            return []
        return self._index.behind(match, count)

    def judge(self, offered: int, accepted: int) -> None:
        """A check has kept ``accepted`` of the ``offered`` tokens that were found last."""
        self._trust.judge(self._committed, offered, accepted)
