"""``sirius profiles``: the ways to draft and check that can be named, and checking one's own."""

from typing import Annotated, Any

import typer
import yaml

from sirius_cli.cli import options, output
from sirius_cli.config import catalogue
from sirius_cli.config.catalogue import Source
from sirius_cli.config.faults import ProfileError
from sirius_cli.config.resolve import DEFAULT_PROFILE, ResolvedProfile, resolve_loaded
from sirius_cli.core.profile import Profile

_SCHEMA_VERSION = 1

app = typer.Typer(no_args_is_help=True, help="Profiles: list, show, validate.")

_Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A profile's name, or a file.")]
_File = Annotated[str, typer.Argument(metavar="FILE", help="A profile file of your own.")]
_Origin = Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")]


@app.command("list")
def list_command(json: options.Json = False) -> None:
    """List the shipped profiles and your own."""
    entries = [_entry(source) for source in catalogue.sources()]
    if json:
        output.write_json({"schema_version": _SCHEMA_VERSION, "default": DEFAULT_PROFILE, "profiles": entries})
        return
    columns = ["PROFILE", "DRAFT", "WINDOW", "ACCEPT", "FROM", "DESCRIPTION"]
    output.write_table(columns, [_row(entry) for entry in entries])


@app.command()
def show(name: _Name = DEFAULT_PROFILE, origin: _Origin = False, json: options.Json = False) -> None:
    """Show a profile in full, as YAML that is itself a profile."""
    loaded = catalogue.load(name)
    resolved = resolve_loaded(loaded, {})
    if json:
        origins = {"origins": resolved.origins} if origin else {}
        document = {"file": loaded.source.label, "profile": resolved.profile.model_dump(), **origins}
        output.write_json({"schema_version": _SCHEMA_VERSION, **document})
        return
    for line in _yaml_lines(resolved, origin):
        output.write_line(line)


@app.command()
def validate(file: _File, json: options.Json = False) -> None:
    """Check a profile file and what it extends; every fault is listed with its line."""
    spec = file if catalogue.is_file(file) else f"./{file}"
    try:
        profile = resolve_loaded(catalogue.load(spec), {}).profile
    except ProfileError as error:
        if json:
            _write_verdict(file, faults=_faults(error))
        raise
    if json:
        _write_verdict(file, faults=[], profile=profile.model_dump())
    else:
        output.write_line(f"{file} is a valid profile")


def _write_verdict(file: str, **more: Any) -> None:
    output.write_json({"schema_version": _SCHEMA_VERSION, "file": file, "valid": not more["faults"], **more})


def _entry(source: Source) -> dict[str, Any]:
    """One faulty file must not hide the other profiles, so its faults stand in its place."""
    about = {"name": source.name, "file": source.label, "shipped": source.shipped}
    try:
        profile = resolve_loaded(catalogue.load_source(source), {}).profile
    except ProfileError as error:
        return {**about, "profile": None, "faults": _faults(error)}
    return {**about, "profile": profile.model_dump(), "faults": []}


def _faults(error: ProfileError) -> list[dict[str, str]]:
    return [{"place": fault.place, "key": fault.key, "problem": fault.problem} for fault in error.faults]


def _row(entry: dict[str, Any]) -> list[str]:
    origin = "shipped" if entry["shipped"] else "own"
    if entry["profile"] is None:
        return [entry["name"], "-", "-", "-", origin, f"faulty: see sirius profiles validate {entry['file']}"]
    profile = Profile.model_validate(entry["profile"])
    checked = [str(profile.correction.window), profile.correction.accept] if profile.corrects else ["-", "-"]
    return [profile.name, profile.draft.words, *checked, origin, profile.description]


def _yaml_lines(resolved: ResolvedProfile, origin: bool) -> list[str]:
    """One value a line, so that a comment can say its origin."""
    profile = resolved.profile.model_dump(exclude={"name"})
    lines, section = [], ""
    for line in yaml.safe_dump(profile, sort_keys=False, width=float("inf")).splitlines():
        key, _, value = line.partition(":")
        section = section if line.startswith(" ") else key
        place = resolved.origins.get(f"{section}.{key.strip()}", "")
        lines.append(f"{line}  # {place}" if origin and value and place else line)
    return lines
