"""The command line's commands."""

from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from sirius_cli import __version__
from sirius_cli.cli import bench, calibrate, chat, demo, doctor, inspect, output


class _Lazy(TyperGroup):
    """The group of commands in the module of its name, imported only when it is used: ``--help`` has to be quick."""

    def list_commands(self, ctx: Any) -> list[str]:
        return self._group().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self._group().get_command(ctx, cmd_name)

    def _group(self) -> TyperGroup:
        module = import_module(f"sirius_cli.cli.{self.name}")
        return cast(TyperGroup, typer.main.get_command(module.app))


app = typer.Typer(name="sirius", pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("chat")(chat.chat)
app.command("demo")(demo.demo)
app.add_typer(bench.app, name="bench")
app.command("calibrate")(calibrate.calibrate)
for name, text in {
    "models": "Models: list, show, pull, rm.",
    "profiles": "Profiles: list, show, validate.",
    "runs": "Kept benchmarks: list, show, compare, rm.",
}.items():
    app.add_typer(typer.Typer(cls=_Lazy, no_args_is_help=True, help=text, rich_markup_mode=None), name=name)
app.command("inspect-corrections")(inspect.inspect_corrections)
app.command("doctor")(doctor.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.write_line(f"sirius {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Faster LLM decoding: a cheap draft writes, the dense model checks."""
    if context.invoked_subcommand is None:
        output.write_line(context.get_help())
