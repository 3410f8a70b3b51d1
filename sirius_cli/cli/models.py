"""``sirius models``: what is on this machine, and fetching and removing it."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sirius_cli.cli import options, output, terminal
from sirius_cli.cli.progress import progress_display
from sirius_cli.errors import UsageError
from sirius_cli.services.sizes import megabytes

if TYPE_CHECKING:  # --help loads none of the services
    from sirius_cli.services.draft_copies import KeptCopy
    from sirius_cli.services.models import ModelDescription

_SCHEMA_VERSION = 1

app = typer.Typer(no_args_is_help=True, help="Models: list, show, pull, rm.")

_HELP = "A folder, a .gguf file, owner/name\\[@revision], owner/name:file.gguf or builtin:smollm2."
_Model = Annotated[str, typer.Argument(metavar="MODEL", help=_HELP)]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_command(json: options.Json = False) -> None:
    """List built-in models, converted ones and those in the Hugging Face cache.

    The first column is what -m takes. Nothing is fetched.
    """
    from sirius_cli.services import models

    found = models.list_models()
    if json:
        output.write_json({"schema_version": _SCHEMA_VERSION, "models": [_plain(asdict(model)) for model in found]})
        return
    rows = [[model.name, model.state, megabytes(model.size_bytes), model.source] for model in found]
    output.write_table(["MODEL", "STATE", "SIZE", "SOURCE"], rows)


@app.command()
def show(model: _Model = options.DEFAULT_MODEL, json: options.Json = False) -> None:
    """Describe a model that is ready.

    "path" is the folder with the safetensors in use; transformers can load it as it is. Nothing is fetched or
    converted: `sirius models pull` does that.
    """
    from sirius_cli.services import models

    _write_description(models.describe(model), json)


@app.command()
def pull(model: _Model = options.DEFAULT_MODEL, offline: options.Offline = False, json: options.Json = False) -> None:
    """Fetch and convert a model ahead of its first use.

    Files of the Hub stay in the Hugging Face cache. A GGUF file is converted to safetensors once.
    """
    from sirius_cli.services import models

    with progress_display() as progress:
        models.resolve(model, offline=offline, progress=progress)
    _write_description(models.describe(model), json)


@app.command()
def rm(model: _Model, yes: _Yes = False, json: options.Json = False) -> None:
    """Remove what sirius fetched or converted for a model.

    Your own files and the Hugging Face cache are left alone. A folder of `sirius models list` is a MODEL too.
    """
    from sirius_cli.services import models

    removal = models.plan_removal(model)
    size = megabytes(removal.size_bytes)
    if not yes and not _confirmed(f"Remove {removal.name} ({size})?"):
        raise typer.Exit(0)
    models.remove(removal)
    if json:
        removed = [str(path) for path, _ in removal.targets]
        document = {"model": removal.name, "removed": removed, "freed_bytes": removal.size_bytes}
        output.write_json({"schema_version": _SCHEMA_VERSION, **document})
    else:
        output.write_line(f"removed {removal.name}, {size} freed")


def _confirmed(question: str) -> bool:
    if not terminal.is_terminal(sys.stdin):
        raise UsageError("removing a model asks first, and there is no terminal to ask on", "give --yes")
    return typer.confirm(terminal.one_line(question), err=True)


def _write_description(description: "ModelDescription", as_json: bool) -> None:
    facts = description.facts
    if as_json:
        head = {"model": description.name, "path": str(description.path), "source": description.source}
        copies = [asdict(copy) for copy in description.copies]
        output.write_json({"schema_version": _SCHEMA_VERSION, **head, **asdict(facts), "copies": copies})
        return
    rows = {
        "model": description.name,
        "path": str(description.path),
        "source": description.source,
        "architecture": facts.architecture,
        "parameters": f"{facts.parameters:,}",
        "dtype": facts.dtype,
        "context": f"{facts.context} tokens" if facts.context is not None else "not stated",
        "size": megabytes(facts.size_bytes),
    }
    kept = [("copy", f"{copy.name}, {megabytes(copy.size_bytes)}{_losses(copy)}") for copy in description.copies]
    for name, value in [*rows.items(), *kept]:
        output.write_line(f"{name:<14}{terminal.one_line(value)}")


def _losses(copy: "KeptCopy") -> str:
    """What rounding lost, from the best to the worst matrix."""
    found = [
        (loss, f"{name} of layer {layer}") for name, each in copy.losses.items() for layer, loss in enumerate(each)
    ]
    if not found:
        return ""
    (least, _), (most, where) = min(found), max(found)
    return f"; rounding lost {100 * least:.2g} to {100 * most:.2g} % of a matrix, most of {where}"


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if name == "path" and value is not None else value for name, value in document.items()}
