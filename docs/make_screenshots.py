"""Draw the README's pictures from the recorded run in docs/media: ``python docs/make_screenshots.py``.

``dashboard.svg`` shows a draft that waits for its check, late in the run; ``inspector.svg`` the inspector.
"""

import asyncio
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot

from sirius_cli.config.resolve import ResolvedProfile
from sirius_cli.core.events import Checked, Drafted
from sirius_cli.core.trace import Trace, due_times, read_trace
from sirius_cli.services import saving
from sirius_cli.services.chat_commands import Setup
from sirius_cli.services.inspection import reading
from sirius_cli.services.replay_feed import ReplayFeed
from sirius_cli.services.session import AnswerSpec
from sirius_cli.tui.actions import Actions
from sirius_cli.tui.app import ChatApp, Look
from sirius_cli.tui.inspector.app import Inspector
from sirius_cli.tui.state import ChatState

MEDIA = Path(__file__).with_name("media")
TRACE = MEDIA / "trace.jsonl"
SIZE = (120, 40)
SHARE = 0.6


class Clock:
    """Time that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def dashboard() -> str:
    """The replay, with the last correction so far pointed at."""
    clock = Clock()
    feed = ReplayFeed(TRACE, clock=clock)
    setup = Setup(None, {}, ResolvedProfile(feed.header.profile, {}), AnswerSpec())
    state = ChatState(adopts=True, profile=feed.header.profile)
    app = ChatApp(Actions(feed, state, setup), Look(animate=False))
    async with app.run_test(size=SIZE) as pilot:
        app.tick()
        clock.now = drafted_at(read_trace(TRACE))
        app.tick()
        await pilot.pause()
        app.chat.action_step(-1)
        return await drawn(app, pilot)


def drafted_at(trace: Trace) -> float:
    """When the longest draft of the last part of ``trace`` is complete, in seconds from its start."""
    due = list(due_times(trace.events))
    late = [(event.drafted, at) for event, at in zip(trace.events, due, strict=True) if isinstance(event, Checked)]
    checked = max(late[int(SHARE * len(late)) :])[1]
    return max(at for event, at in zip(trace.events, due, strict=True) if isinstance(event, Drafted) and at < checked)


async def inspector() -> str:
    """The inspector, at its first correction."""
    app = Inspector(reading.read(TRACE))
    async with app.run_test(size=SIZE) as pilot:
        return await drawn(app, pilot)


async def drawn(app: App[None], pilot: Pilot[None]) -> str:
    """What ``app`` looks like once it is at rest."""
    await pilot.pause()
    return app.export_screenshot(simplify=True)


def main() -> None:
    saving.write_text(MEDIA / "dashboard.svg", asyncio.run(dashboard()))
    saving.write_text(MEDIA / "inspector.svg", asyncio.run(inspector()))


if __name__ == "__main__":
    main()
