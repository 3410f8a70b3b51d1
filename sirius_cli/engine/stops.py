"""Stop strings in a stream of text."""

from collections.abc import Sequence

from sirius_cli.errors import UsageError


class StopMatcher:
    """Finds the first stop string to be complete, wherever the text is cut into pieces.

    Of stops that end at the same character, the longest counts. Text before the stop is released; so is all text
    that can no longer begin one. Raises UsageError for an empty stop string.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if not all(stops):
            raise UsageError("an empty stop string would end every answer at once", "give a stop string some text")
        self._stops = tuple(stops)
        self._held = ""
        self._stopped = False

    @property
    def held(self) -> str:
        """The text that may begin a stop."""
        return self._held

    def push(self, text: str) -> tuple[str, bool]:
        """Take the next piece of text: what it releases, and whether a stop has been found. No text follows one."""
        if self._stopped:
            return "", True
        text = self._held + text
        matches = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if matches:
            self._stopped, self._held = True, ""
            return text[: min(matches)[1]], True
        cut = len(text) - self._beginning(text)
        self._held = text[cut:]
        return text[:cut], False

    def flush(self) -> str:
        """The text still held back. The stream is over."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """Length of the longest end of ``text`` that begins a stop string."""
        lengths = (
            length
            for stop in self._stops
            for length in range(min(len(stop) - 1, len(text)), 0, -1)
            if text.endswith(stop[:length])
        )
        return max(lengths, default=0)
