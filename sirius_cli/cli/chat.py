"""``sirius chat``: one answer, or a conversation on a terminal."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sirius_cli.cli import diagnostics, interrupts, options, progress, terminal
from sirius_cli.errors import UsageError
from sirius_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sirius_cli.cli.turn import Look
    from sirius_cli.core.profile import Profile
    from sirius_cli.services.chat_commands import Setup
    from sirius_cli.services.session import AnswerSpec, ModelChoice, Session


def chat(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help="What to answer; piped input is put after it.")] = None,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    system: options.System = None,
    max_new_tokens: options.MaxNewTokens = 512,
    temperature: options.Temperature = 0.0,
    top_p: options.TopP = 1.0,
    top_k: options.TopK = 0,
    seed: options.Seed = 0,
    stop: options.Stop = None,
    raw: options.Raw = False,
    profile: options.ProfileName = None,
    method: options.Method = None,
    keep: options.Keep = None,
    draft_layers: options.DraftLayers = None,
    refresh: options.Refresh = None,
    decay: options.Decay = None,
    draft_precision: options.DraftPrecision = None,
    draft_group: options.DraftGroup = None,
    draft_int8: options.DraftInt8 = None,
    draft_lookup: options.DraftLookup = None,
    tree_width: options.TreeWidth = None,
    tree_split: options.TreeSplit = None,
    window: options.Window = None,
    plan_for: options.PlanFor = None,
    confidence: options.Confidence = None,
    accept: options.Accept = None,
    threshold: options.Threshold = None,
    accept_temperature: options.AcceptTemperature = None,
    no_correction: options.NoCorrection = False,
    plain: options.Plain = False,
    as_json: options.Json = False,
    jsonl: options.JsonLines = False,
    trace: options.Trace = None,
    no_color: options.NoColor = False,
    go_on: options.Continue = False,
    replay: options.Replay = None,
    speed: options.Speed = None,
    inline: options.Inline = False,
    theme: options.Theme = None,
    screenshot: options.Screenshot = None,
    cast: options.Cast = None,
    web: options.Web = False,
    port: options.Port = 8000,
    kernel_size: options.KernelSize = None,
    thr: options.Thr = None,
    spr: options.Spr = None,
    griffin: options.Griffin = False,
    cats: options.Cats = False,
) -> int:
    """Answer PROMPT and exit. Without one, on a terminal, the dashboard opens; with --plain, a line conversation.

    Tokens that the dense model corrected are marked. The answer goes to standard output, its figures to standard
    error.
    """
    # Nothing heavy is imported before a command runs: --help has to be quick.
    from sirius_cli.cli import browser, dashboard, turn
    from sirius_cli.config.idle import refuse_idle_flags
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.core.request import SamplingSpec
    from sirius_cli.services.builtin_model import profile_of
    from sirius_cli.services.chat_commands import Setup
    from sirius_cli.services.session import AnswerSpec, ModelChoice

    look = turn.Look(plain, as_json, jsonl, trace, colour=not no_color)
    spec = AnswerSpec(max_new_tokens, SamplingSpec(temperature, top_p, top_k, seed), tuple(stop or ()), raw, system)
    choice = ModelChoice(model, device, dtype, threads, offline)
    overrides = options.overrides(context)
    name = profile or profile_of(model)
    setup = Setup(name, overrides, resolve_profile(name, overrides, os.environ), spec)
    refuse_idle_flags(setup.resolved)
    wish = dashboard.Wish(prompt, go_on, replay, speed, inline, theme, screenshot, cast)
    wish.check_look(look)
    in_tab = browser.engine_of_tab() is not None
    if web and not in_tab:
        wish.check_web()
        return browser.serve(choice, setup.resolved.profile, port)
    talks = _talks(prompt, look)
    drawn = wish.replay is not None or wish.screenshot is not None
    if in_tab or drawn or (talks and dashboard.fits(look)):
        return dashboard.show(wish, setup, choice, look)
    wish.check_plain(options.given(context))
    return _in_lines(None if talks else read_prompt(prompt, raw=raw), setup, choice, look)


def _in_lines(question: str | None, setup: "Setup", choice: "ModelChoice", look: "Look") -> int:
    """Answer ``question``, or talk line by line."""
    from sirius_cli.cli import repl, turn

    session = open_session(choice, setup.resolved.profile, setup.spec, look)
    with turn.recorders(look, session, setup.resolved.origins) as sinks:
        if question is None:
            return repl.Repl(session, look, sinks, setup).run()
        answer = turn.play(session, question, look, sinks)
    return ExitCode.INTERRUPTED if answer.finish_reason == "cancelled" else ExitCode.OK


def read_prompt(prompt: str | None, *, raw: bool) -> str:
    """Join the argument and what is piped in.

    Raises:
        UsageError: if there is nothing to answer, or it is not UTF-8.
    """
    from sirius_cli.services.session import check_prompt

    if prompt is None and terminal.is_terminal(sys.stdin):
        diagnostics.note("type the prompt, then Ctrl-D on a line of its own")
    piped = "" if prompt is not None and terminal.is_terminal(sys.stdin) else _read_stdin()
    # A raw prompt is continued from its very end, so there even the last newline counts.
    parts = [prompt or "", piped if raw else piped.rstrip("\n")]
    text = "\n\n".join(part for part in parts if part)
    check_prompt(text)
    return text


def open_session(choice: "ModelChoice", profile: "Profile", spec: "AnswerSpec", look: "Look") -> "Session":
    """Fetch and load the model, showing how far that is."""
    from sirius_cli.services import session
    from sirius_cli.services.progress import loading

    with interrupts.at_once(), progress.progress_display(plain=look.quiet) as report:
        found = session.find_model(choice, report)
        report(loading(found.name))
        return session.Session(session.load_engine(found, choice, profile, report), spec)


def _talks(prompt: str | None, look: "Look") -> bool:
    on_terminal = terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)
    return prompt is None and on_terminal and not look.for_machines


def _read_stdin() -> str:
    if sys.stdin is None:
        return ""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError("standard input is not UTF-8 text", f"look at byte {error.start + 1}") from error
