"""From token ids to text, one token at a time."""

from typing import Protocol

_REPLACEMENT = "\ufffd"
_LONGEST_DOUBT = 8


class Vocabulary(Protocol):
    """What a detokeniser needs to know about tokens."""

    def decode(self, ids: list[int]) -> str: ...
    def is_silent(self, token_id: int) -> bool: ...
    def is_raw_byte(self, token_id: int) -> bool: ...


class Detokeniser:
    """The texts of all pushes and of ``flush`` together equal decoding all ids at once.

    A token's text depends on its neighbours: leading spaces are dropped at the start, characters are split over
    tokens. So a token is decoded together with the one before it, and text that a later token could still change is
    held back: the replacement character at the end of an unfinished character, and a run of raw byte tokens, which
    decode as a whole or not at all. Only a few tokens are decoded for each push.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._window: list[int] = []
        self._context = 0  # tokens at the window's start whose text is released in full
        self._released = 0  # characters of the window's text that are released

    def push(self, token_id: int) -> str:
        """Take the next token: the text that is now certain, often empty."""
        if self._vocabulary.is_silent(token_id):
            return ""
        self._window.append(token_id)
        if self._vocabulary.is_raw_byte(token_id):
            return ""
        text = self._vocabulary.decode(self._window)
        certain = len(text) - text.endswith(_REPLACEMENT)
        fresh = text[self._released : certain]
        self._released = certain
        if certain < len(text):
            self._shorten(text)
        elif fresh:
            self._slide()
        return fresh

    def flush(self) -> str:
        """The text still held back. Afterwards the detokeniser is as new."""
        rest = self._vocabulary.decode(self._window)[self._released :]
        self._window, self._context, self._released = [], 0, 0
        return rest

    def _slide(self) -> None:
        """Keep the newest tokens as the context of the next."""
        self._window = self._window[self._context :]
        self._context = len(self._window)
        self._released = len(self._vocabulary.decode(self._window))

    def _shorten(self, text: str) -> None:
        """Bound the window where a model writes broken characters without end.

        It may be cut where both sides decode to the same as the whole: then no character lies across the cut.
        """
        if len(self._window) - self._context <= _LONGEST_DOUBT:
            return
        for cut in range(len(self._window) - 1, self._context, -1):
            head = self._vocabulary.decode(self._window[:cut])
            if len(head) <= self._released and head + self._vocabulary.decode(self._window[cut:]) == text:
                self._window, self._context, self._released = self._window[cut:], 0, self._released - len(head)
                return
