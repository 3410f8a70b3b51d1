"""What the user can do, on the feed and the state alone: no widget is needed for any of it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sirius_cli.core.events import StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.errors import SiriusError, UsageError
from sirius_cli.services import chat_commands, recording, saving
from sirius_cli.services.answer import metrics_to_json
from sirius_cli.services.chat_commands import Setup
from sirius_cli.services.feed import Feed, FeedItem, Happened, Message, Question, Ready
from sirius_cli.services.modes import MODES, Mode, mode_of, profile_for
from sirius_cli.services.session import check_prompt
from sirius_cli.tui.answer import AnswerFold, Trouble
from sirius_cli.tui.shelf import Shelf
from sirius_cli.tui.state import ChatState, Exchange, Remembered

_LANE = "chat"
COMMANDS = chat_commands.COMMANDS | {"/compare": "PROMPT, answered dense, sparse and corrected, side by side"}


class Replay(Protocol):
    """What a recording can besides what a feed can."""

    @property
    def ended(self) -> bool:
        """Whether everything has been drained."""

    @property
    def paused(self) -> bool:
        """Whether time stands still."""

    def pause(self, paused: bool = True) -> None:
        """Let time stand still, or go on."""


@dataclass(slots=True)
class Actions:
    """The conversation's verbs.

    ``leave`` and ``compare`` are the application's, for ``/bye`` and ``/compare``; ``recorder`` takes the events of the
    conversation; ``replay`` is the feed, where it is a recording.
    """

    feed: Feed
    state: ChatState
    setup: Setup
    shelf: Shelf | None = None
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    leave: Callable[[], None] = lambda: None
    compare: Callable[[str], None] = lambda prompt: None
    replay: Replay | None = None
    recorder: Callable[[StepEvent], None] | None = None
    mode: Mode = "sirius"
    waiting: Exchange | None = None
    _kept: set[AnswerFold] = field(default_factory=set)
    _recorded: set[int] = field(default_factory=set)
    _lanes: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mode = mode_of(self.setup.resolved.profile)

    @property
    def profile(self) -> Profile:
        """How the next answer will be made."""
        return profile_for(self.mode, self.setup.resolved.profile)

    @property
    def at_rest(self) -> bool:
        """Whether nothing more is on its way, until the user does something."""
        replaying = self.replay is not None and not self.replay.ended
        waits = self.state.answering or self._lanes or self.waiting is not None or replaying
        return not waits and self.state.phase not in ("starting", "working", "loading")

    def tick(self) -> bool:
        """Take in what has happened. Returns whether something has."""
        items = self.feed.drain()
        for item in items:
            self.state.add(item)
            self._record(item)
        if items:
            self._ask_what_waits()
            self._ask_next_lane()
            self._keep_what_ended()
        return bool(items)

    def submit(self, text: str) -> None:
        """Ask ``text``, or do what the command in it says.

        Raises:
            SiriusError: if that cannot be.
        """
        command = chat_commands.split(text, COMMANDS)
        if command is None:
            self.ask(text)
        else:
            self._verbs[command[0]](command[1])

    def ask(self, prompt: str) -> None:
        """Answer ``prompt`` after the conversation so far, or as soon as the model is in memory.

        Raises:
            UsageError: if nothing can be asked now.
        """
        check_prompt(prompt)
        self._check_free()
        exchange = Exchange(prompt, AnswerFold(self.profile), self.mode)
        if self.state.accepts_questions:
            self._put(exchange)
        else:
            self.state.entries.append(exchange)
            self.waiting = exchange

    @property
    def stoppable(self) -> bool:
        """Whether there is an answer or a load to be stopped."""
        return self.state.answering or self.state.phase in ("working", "loading")

    def stop(self) -> bool:
        """End the answer in the making, or the loading of the model. Returns whether there was one."""
        stoppable = self.stoppable
        if stoppable:
            self.feed.cancel()
        return stoppable

    def regenerate(self) -> None:
        """Answer the last prompt again.

        Raises:
            UsageError: if there is none, or an answer is being made.
        """
        self._check_free()
        last = self.state.last
        if last is None or last.prompt is None:
            raise UsageError("there is nothing to answer again yet")
        self._take_back(last)
        self.setup = chat_commands.for_retry(self.setup)
        self.ask(last.prompt)

    def begin_anew(self) -> None:
        """Forget the conversation."""
        self.stop()
        self.waiting = None
        self.state.clear()
        if self.shelf is not None:
            self.shelf.begin_anew()

    def resume(self, id: str) -> None:
        """Go on with a kept conversation.

        Raises:
            SiriusError: if it cannot be read.
        """
        if self.shelf is None:
            raise UsageError("conversations are not saved here")
        exchanges = self.shelf.resume(id)
        self.stop()
        self.waiting = None
        self.state.clear()
        self.state.entries += [Remembered(prompt, answer) for prompt, answer in exchanges]

    def cycle_mode(self) -> None:
        """The next answer is made in the next mode."""
        self.mode = MODES[(MODES.index(self.mode) + 1) % len(MODES)]

    def use_mode(self, mode: Mode) -> None:
        """The next answer is made in ``mode``."""
        self.mode = mode

    def restart(self) -> None:
        """Start another engine."""
        self.state.restarting()
        self.feed.start()

    def compare_lanes(self, prompt: str) -> list[Exchange]:
        """Ask ``prompt`` alone in every mode, dense first. The answers come one after another.

        Raises:
            UsageError: if nothing can be asked now.
        """
        check_prompt(prompt)
        self._check_free()
        if not self.state.accepts_questions:
            raise UsageError("the model is not in memory yet", "wait until it is")
        profiles = [(mode, profile_for(mode, self.setup.resolved.profile)) for mode in reversed(MODES)]
        lanes = [Exchange(prompt, AnswerFold(profile), mode) for mode, profile in profiles]
        self._lanes = list(lanes)
        self._ask_next_lane()
        return lanes

    def abandon_lanes(self) -> None:
        """End the comparison."""
        self._lanes.clear()
        self.stop()

    def save(self, path: Path) -> tuple[Path, Path]:
        """Write the conversation to ``path``, and beside it the trace of the answers that are made as the last one is.

        Raises:
            UsageError: if there is nothing to save.
            EnvironmentProblem: if a file cannot be written.
        """
        last, ready = self.state.last, self.state.ready
        if last is None or ready is None:
            raise UsageError("there is no answer to save yet")
        profile = last.answer.profile or self.profile
        header = recording.describe(ready.loaded, profile, self.setup.resolved.origins, self.setup.spec.sampling)
        answers = [entry.answer for entry in self.state.entries if isinstance(entry, Exchange)]
        events = [event for answer in answers if answer.profile == profile for event in answer.events]
        return saving.save(path, self.state.messages, header, [ready.loaded, *events])

    @property
    def _verbs(self) -> dict[str, Callable[[str], None]]:
        return {
            "/help": lambda rest: self.state.note(*(f"{name:<9} {text}" for name, text in COMMANDS.items())),
            "/set": lambda rest: self._use(chat_commands.change(self.setup, rest, self.env)),
            "/show": lambda rest: self._show(),
            "/system": lambda rest: self._use(chat_commands.with_system(self.setup, rest)),
            "/clear": lambda rest: self.begin_anew(),
            "/retry": lambda rest: self.regenerate(),
            "/stats": lambda rest: self._stats(),
            "/compare": self.compare,
            "/bye": lambda rest: self.leave(),
        }

    def _put(self, exchange: Exchange) -> None:
        assert exchange.prompt is not None
        assert exchange.answer.profile is not None
        messages = (*self.state.messages, Message("user", exchange.prompt))
        number = self.feed.ask(Question(_LANE, messages, exchange.answer.profile, self.setup.spec))
        self.state.asked(number, exchange)
        self._recorded.add(number)

    def _check_free(self) -> None:
        if self.state.adopts:
            raise UsageError("a replay takes no questions", "leave it, and start without --replay")
        if self.state.answering or self._lanes or self.waiting is not None:
            raise UsageError("an answer is being made", "Esc stops it")
        if self.state.phase == "gone":
            raise UsageError("the engine is not running", "Ctrl-E starts it again")

    def _ask_next_lane(self) -> None:
        if self.state.trouble is not None:
            self._fail_lanes(self.state.trouble)
        if not self._lanes or self.state.answering or not self.state.accepts_questions:
            return
        lane = self._lanes.pop(0)
        assert lane.prompt is not None
        assert lane.answer.profile is not None
        messages = (Message("user", lane.prompt),)
        question = Question(f"compare {lane.mode}", messages, lane.answer.profile, self.setup.spec)
        self.state.expect(self.feed.ask(question), lane.answer)
        lane.answer.begin()

    def _fail_lanes(self, trouble: Trouble) -> None:
        for lane in self._lanes:
            lane.answer.fail(trouble)
        self._lanes.clear()

    def _ask_what_waits(self) -> None:
        waiting, trouble = self.waiting, self.state.trouble
        if waiting is None:
            return
        if self.state.accepts_questions:
            self.waiting = None
            self._put(waiting)
        elif trouble is not None:
            self.waiting = None
            waiting.answer.fail(trouble)

    def _keep_what_ended(self) -> None:
        for entry in self.state.entries:
            if isinstance(entry, Exchange) and entry.answer.ended and entry.answer not in self._kept:
                self._kept.add(entry.answer)
                self._keep(entry)

    def _take_back(self, last: Exchange) -> None:
        self.state.take_back()
        if self.shelf is not None and _is_worth_keeping(last):
            self._on_shelf(self.shelf.take_back)

    def _keep(self, exchange: Exchange) -> None:
        prompt, shelf = exchange.prompt, self.shelf
        if shelf is not None and prompt is not None and _is_worth_keeping(exchange):
            dense_step_ms = self.state.about.dense_step_ms
            self._on_shelf(lambda: shelf.keep(prompt, exchange.answer.events, dense_step_ms))

    def _on_shelf(self, act: Callable[[], None]) -> None:
        """Saving may fail, the conversation goes on."""
        try:
            act()
        except SiriusError as error:
            self.shelf = None
            self.state.note(f"{error.message}: this conversation is not saved", error.hint, warning=True)

    def _record(self, item: FeedItem) -> None:
        if self.recorder is None:
            return
        try:
            if isinstance(item, Ready):
                self.recorder(item.loaded)
            elif isinstance(item, Happened) and item.question in self._recorded:
                self.recorder(item.event)
        except SiriusError as error:
            self.recorder = None
            self.state.note(error.message, error.hint, warning=True)

    def _use(self, setup: Setup) -> None:
        if mode_of(setup.resolved.profile) != mode_of(self.setup.resolved.profile):
            self.mode = mode_of(setup.resolved.profile)
        self.setup = setup

    def _show(self) -> None:
        loaded = self.state.ready.loaded if self.state.ready else None
        if loaded is None:
            raise UsageError("the model is not in memory yet", "wait until it is")
        profile = self.profile
        setup = replace(self.setup, resolved=replace(self.setup.resolved, profile=profile))
        self.state.note(*chat_commands.table(chat_commands.describe(setup, loaded)))

    def _stats(self) -> None:
        last = self.state.last
        if last is None or not last.answer.said:
            raise UsageError("there is no answer yet")
        self.state.note(*chat_commands.table(metrics_to_json(last.answer.metrics)))


def _is_worth_keeping(exchange: Exchange) -> bool:
    return exchange.answer.phase in ("finished", "cancelled")
