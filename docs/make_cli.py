"""Write docs/cli.md, the reference of the command line, from the commands themselves: ``python docs/make_cli.py``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from sirius_cli.cli.app import app

PAGE = Path(__file__).with_name("cli.md")
_INTRODUCTION = """\
# Command line

Written by `make docs` from the commands themselves. `--help` after any command shows the same.

Every option reads an environment variable where one is named; a flag beats it. Data goes to standard output, all else
to standard error. `SIRIUS_HOME` moves all state (models, profiles, caches, history) into one folder, and
`SIRIUS_DEBUG=1` shows tracebacks.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a bug; a report is saved and named |
| 2 | usage: a wrong option, value or profile |
| 3 | environment: a device, package, memory or disk space is missing |
| 4 | model or data: missing, broken or unsupported |
| 5 | a check that was asked for did not hold |
| 130 | interrupted |
"""


def render() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    with root.make_context("sirius", [], resilient_parsing=True) as context:
        sections = [line for command, path in _commands(root, context, "sirius") for line in _section(command, path)]
    return _INTRODUCTION + "\n".join(sections).rstrip() + "\n"


def _commands(command: Any, context: Any, path: str) -> Iterator[tuple[Any, str]]:
    if not hasattr(command, "list_commands"):
        yield command, path
        return
    if command.invoke_without_command and command is not context.command:
        yield command, path  # a group that does something by itself
    for name in command.list_commands(context):
        yield from _commands(command.get_command(context, name), context, f"{path} {name}")


def _section(command: Any, path: str) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    shown = [option for option in options if not option.hidden]
    yield f"\n## {' '.join([path, *map(_placeholder, arguments)])}\n"
    yield " ".join(command.help.split()) + "\n"
    for argument in arguments:
        yield f"- `{_placeholder(argument)}`: {_meaning(argument)}"
    if arguments and shown:
        yield ""
    if shown:
        yield "| option | variable | meaning |\n|---|---|---|"
    for option in shown:
        yield f"| {_spelling(option)} | {f'`{option.envvar}`' if option.envvar else ''} | {_meaning(option)} |"


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return str(name) if argument.required or name.startswith("[") else f"[{name}]"


def _spelling(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or 'VALUE'}"
    return ", ".join([*(f"`{name}`" for name in option.opts[1:]), f"`{option.opts[0]}{value}`"]).replace("|", "\\|")


def _meaning(parameter: Any) -> str:
    # Help that Rich would render escapes its brackets.
    text = (parameter.help or "").replace("\\[", "[").replace("|", "\\|")
    default = parameter.default
    given = not parameter.required and default is not None and default is not False and default != ""
    return f"{text} Default: `{default}`." if given else text


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
