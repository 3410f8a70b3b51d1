"""``sirius demo``: a conversation that plays by itself."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sirius_cli.cli import chat, dashboard, diagnostics, options, terminal
from sirius_cli.errors import UsageError
from sirius_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sirius_cli.cli.turn import Look
    from sirius_cli.services.chat_commands import Setup
    from sirius_cli.services.demo import Pace
    from sirius_cli.services.session import ModelChoice

Rounds = Iterator[Sequence[str]]


def demo(
    context: typer.Context,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    profile: options.ProfileName = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again after the last answer.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Exit after the last answer.")] = False,
    speed: Annotated[float, typer.Option("--speed", help="How many times as fast to type and to wait.")] = 1.0,
    theme: options.Theme = None,
    plain: options.Plain = False,
    no_color: options.NoColor = False,
    cast: options.Cast = None,
) -> int:
    """Show drafts being checked: prompts that type themselves, and their answers.

    With --profile sirius more is corrected than by default.

    Without a terminal the answers go to standard output, the prompts to standard error.
    """
    from sirius_cli.cli import turn
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.services import demo as script
    from sirius_cli.services.builtin_model import profile_of
    from sirius_cli.services.chat_commands import Setup
    from sirius_cli.services.session import AnswerSpec, ModelChoice

    if loop and once:
        raise UsageError("--loop has no last answer, which --once waits for", "give one of them")
    pace = script.Pace().times(speed)
    look = turn.Look(plain=plain, colour=not no_color)
    name = profile or profile_of(model)
    setup = Setup(name, {}, resolve_profile(name, {}, os.environ), AnswerSpec(script.MAX_NEW_TOKENS))
    choice = ModelChoice(model, device, "auto", threads, offline)
    wish, rounds = dashboard.Wish(theme=theme, cast=cast), script.rounds(loop=loop)
    if terminal.is_terminal(sys.stdin) and dashboard.fits(look):
        return _in_dashboard(rounds, pace, wish, setup, choice, look, leave=once)
    wish.check_plain(options.given(context))
    return _in_lines(rounds, setup, choice, look)


def _in_dashboard(
    rounds: Rounds,
    pace: "Pace",
    wish: dashboard.Wish,
    setup: "Setup",
    choice: "ModelChoice",
    look: "Look",
    *,
    leave: bool,
) -> ExitCode:
    from sirius_cli.tui.run import run_chat
    from sirius_cli.tui.typist import Typist

    opening = dashboard.opening_for(wish, setup, look, attend=Typist(rounds, pace, leave=leave).act)
    run_chat(dashboard.engine(choice, setup.resolved.profile), opening)
    return ExitCode.OK


def _in_lines(rounds: Rounds, setup: "Setup", choice: "ModelChoice", look: "Look") -> ExitCode:
    from sirius_cli.cli import turn

    session = chat.open_session(choice, setup.resolved.profile, setup.spec, look)
    for prompts in rounds:
        session.clear()
        for prompt in prompts:
            diagnostics.note(f"> {prompt}")
            if turn.play(session, prompt, look, []).finish_reason == "cancelled":
                return ExitCode.INTERRUPTED
    return ExitCode.OK
