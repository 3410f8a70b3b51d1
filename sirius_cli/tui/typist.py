"""Types prompts into the dashboard, as a person would, one after the other's answer."""

from collections.abc import Callable, Generator, Iterator, Sequence
from time import monotonic

from sirius_cli.services.demo import Pace
from sirius_cli.tui.app import ChatApp

Wait = float


class Typist:
    """``act`` does what is due; it is called whenever the dashboard rests.

    Args:
        rounds: conversations as the prompts of each. Every one begins with an empty screen.
        leave: whether the dashboard ends after the last.
    """

    def __init__(
        self,
        rounds: Iterator[Sequence[str]],
        pace: Pace,
        *,
        leave: bool,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rounds = rounds
        self._pace = pace
        self._leave = leave
        self._clock = clock
        self._play: Generator[Wait, None, None] | None = None
        self._next_at = 0.0

    def act(self, app: ChatApp) -> None:
        """Do what is due. Without an engine there is nothing to do."""
        if app.actions.state.phase == "gone":
            return
        if self._play is None:
            self._play = self._perform(app)
        now = self._clock()
        if now >= self._next_at:
            self._next_at = now + next(self._play, float("inf"))

    def _perform(self, app: ChatApp) -> Generator[Wait, None, None]:
        for number, prompts in enumerate(self._rounds):
            if number:
                app.actions.begin_anew()
            for prompt in prompts:
                yield self._pace.before_prompt
                yield from self._ask(app, prompt)
                yield from self._look_at_correction(app)
        if self._leave:
            app.exit()

    def _ask(self, app: ChatApp, prompt: str) -> Generator[Wait, None, None]:
        for letter in prompt:
            app.chat.prompt.insert(letter)
            yield self._pace.key
        yield self._pace.before_sending
        app.chat.prompt.replace_text("")
        app.submit(prompt)
        yield 0.0

    def _look_at_correction(self, app: ChatApp) -> Generator[Wait, None, None]:
        """Point at the newest correction for a while, if there is one."""
        app.chat.action_step(-1)
        yield self._pace.to_read
        app.chat.conversation.forget_pointed()
