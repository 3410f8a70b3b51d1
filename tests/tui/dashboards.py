"""Dashboards over a fake feed, and what tests do with them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from fake_feed import READY, FakeFeed
from make_trace import PROFILE, answer
from textual.pilot import Pilot

from sirius_cli.config.resolve import ResolvedProfile
from sirius_cli.core.events import StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.services.chat_commands import Setup
from sirius_cli.services.feed import FeedItem
from sirius_cli.services.session import AnswerSpec
from sirius_cli.tui.actions import Actions
from sirius_cli.tui.app import ChatApp, Look
from sirius_cli.tui.shelf import Shelf
from sirius_cli.tui.state import ChatState

_MOST_PAUSES = 20


@dataclass
class Dashboard:
    """An app that is not running yet, and the feed that it looks at."""

    app: ChatApp
    feed: FakeFeed

    @property
    def state(self) -> ChatState:
        return self.app.actions.state

    async def show(self, pilot: Pilot[None], *items: FeedItem) -> None:
        """Make ``items`` happen, and draw them."""
        self.feed.put(*items)
        await self.settle(pilot)

    async def settle(self, pilot: Pilot[None]) -> None:
        """Tick until the picture stands still: a pause ends with a layout, whose sizes widgets learn in the next."""
        seen = None
        for _ in range(_MOST_PAUSES):
            if not self.app.is_running or seen == (seen := self.screen_text):
                break
            self.app.tick()
            await pilot.pause()

    async def tell(self, pilot: Pilot[None], events: Iterable[StepEvent], question: int = 1) -> None:
        """Make ``events`` of an answer happen, and draw them."""
        self.feed.events(question, events)
        await self.show(pilot)

    async def ask(self, pilot: Pilot[None], text: str) -> None:
        """Write ``text`` and send it."""
        self.app.chat.prompt.replace_text(text)
        await pilot.press("enter")
        await self.settle(pilot)

    @property
    def screen_text(self) -> str:
        """What can be read on the screen."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line) for line in lines)

    @property
    def told(self) -> list[str]:
        """The messages that popped up."""
        return [notification.message for notification in self.app._notifications]


def open_dashboard(
    *items: FeedItem,
    profile: Profile = PROFILE,
    spec: AnswerSpec | None = None,
    replayed: bool = False,
    shelf: Shelf | None = None,
    feed: FakeFeed | None = None,
    **look: Any,
) -> Dashboard:
    """A dashboard in which nothing moves by itself. Its feed begins with ``items``: by default, the model is ready."""
    feed = feed or FakeFeed(*(items or (READY,)))
    setup = Setup("sirius", {}, ResolvedProfile(profile, {}), spec or AnswerSpec())
    state = ChatState(adopts=replayed, profile=profile)
    actions = Actions(feed, state, setup, shelf, env={})
    defaults = Look(animate=False, refresh_hz=10)
    return Dashboard(ChatApp(actions, replace(defaults, **look)), feed)


async def answered(dash: Dashboard, pilot: Pilot[None], prompt: str = "When does it arrive?") -> None:
    """Ask, and get the answer of the trace."""
    await dash.show(pilot)
    await dash.ask(pilot, prompt)
    await dash.tell(pilot, answer(), len(dash.feed.questions))
