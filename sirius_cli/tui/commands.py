"""What the palette offers, each under the area that it belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the palette. ``action`` is run on the screen below it."""

    name: str
    help: str
    action: str


_CHAT = (
    Entry("chat: new conversation", "Forget this one; it stays saved", "app.new"),
    Entry("chat: answer again", "The last prompt once more; sampled answers get the next seed", "app.regenerate"),
    Entry("chat: stop", "End the answer in the making", "app.stop"),
    Entry("chat: copy the answer", "To the clipboard", "app.copy_answer"),
    Entry("chat: save", "Text and trace, to files", "app.save"),
    Entry("chat: earlier conversations", "Go on with one of them", "app.pick"),
    Entry("chat: write in $EDITOR", "The prompt, in your own editor", "app.edit"),
    Entry("chat: quit", "Leave", "app.quit"),
)
_MODE = (
    Entry("mode: sirius", "The draft, corrected by dense checks", "app.use_mode('sirius')"),
    Entry("mode: sparse", "The draft alone, unchecked", "app.use_mode('sparse')"),
    Entry("mode: dense", "Every weight in every step", "app.use_mode('dense')"),
    Entry("mode: compare all three", "The same prompt, side by side", "app.compare"),
    Entry("engine: start again", "After it has ended", "app.restart"),
)
_VIEW = (
    Entry("view: next correction", "What had the draft wanted?", "step(1)"),
    Entry("view: previous correction", "What had the draft wanted?", "step(-1)"),
    Entry("view: Markdown", "Finished answers rendered, or as they are", "markdown"),
    Entry("view: charts", "Show or hide the right-hand side", "side"),
    Entry("view: pause charts", "Hold the right-hand side still", "pause"),
    Entry("view: help", "All keys and commands", "app.help"),
)


class Palette(Provider):
    """Offers everything that can be done, area by area."""

    async def discover(self) -> Hits:
        for entry in self._entries():
            yield DiscoveryHit(entry.name, self._run(entry), help=entry.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry in self._entries():
            if (score := matcher.match(entry.name)) > 0:
                yield Hit(score, matcher.highlight(entry.name), self._run(entry), help=entry.help)

    def _entries(self) -> Iterator[Entry]:
        yield from (*_CHAT, *_MODE, *_VIEW)
        for name in sorted(self.app.available_themes):
            yield Entry(f"theme: {name}", "Change the colours", f"app.use_theme({name!r})")

    def _run(self, entry: Entry) -> IgnoreReturnCallbackType:
        return partial(self.screen.run_action, entry.action)
