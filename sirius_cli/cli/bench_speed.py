"""``sirius bench speed``: how long steps and whole answers take on this machine."""

import os
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sirius_cli.cli import diagnostics, interrupts, options, output, progress
from sirius_cli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sirius_cli.core.profile import DraftSpec
    from sirius_cli.services.bench.speed_plan import Decode, SpeedPlan
    from sirius_cli.services.bench.speed_results import SpeedResult
    from sirius_cli.services.progress import Progress
    from sirius_cli.services.session import ModelChoice


class Format(StrEnum):
    """The forms that a result has."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


_Prompt = Annotated[str, typer.Option("--n-prompt", "-p", metavar="N,…", help="Lengths of prompts, in tokens.")]
_DECODE_HELP = "Tokens to decode after each prompt; '' leaves whole answers out."
_Decode = Annotated[str, typer.Option("--n-gen", "-n", metavar="N,…", help=_DECODE_HELP)]
_Depth = Annotated[str, typer.Option("--depth", metavar="N,…", help="Tokens in the KV cache before a step or a check.")]
_Check = Annotated[str, typer.Option("--check", metavar="N,…", help="Lengths of checks to time.")]
_Precisions = Annotated[
    str, typer.Option("--draft-precision", metavar="P,…", help="Bits that draft steps read: native, int8, int4.")
]
_Keep = Annotated[str, typer.Option("--keep", metavar="X,…", help="Fractions of neurons that draft steps keep.")]
_PROFILE_HELP = "Decode with this profile; may be given several times. Default: that of `sirius chat`, and sirius."
_Profiles = Annotated[list[str] | None, typer.Option("--profile", metavar="NAME|FILE", help=_PROFILE_HELP)]
_WINDOW_HELP = "Decode every profile with each of these windows, or auto, in place of its own."
_Window = Annotated[str, typer.Option("--window", metavar="N,…", help=_WINDOW_HELP)]
_LOOKUP_HELP = "Decode every profile with each of these shortest matches whose continuation is drafted; 0: none is."
_Lookup = Annotated[str, typer.Option("--draft-lookup", metavar="N,…", help=_LOOKUP_HELP)]
_WIDTH_HELP = "Decode every profile with each of these widths of its trees; 1: chains."
_Width = Annotated[str, typer.Option("--tree-width", metavar="N,…", help=_WIDTH_HELP)]
_BASELINE_HELP = (
    "transformers, transformers-static, transformers-compiled, llama-cpp or all; may be given several times."
)
_Baseline = Annotated[list[str] | None, typer.Option("--baseline", metavar="NAME,…", help=_BASELINE_HELP)]
_Repetitions = Annotated[int, typer.Option("--repetitions", "-r", help="How often everything is timed.")]
_Warmups = Annotated[int, typer.Option("--warmups", help="How often everything runs untimed before.")]
_RANDOM_HELP = "No model: random weights of this shape, such as llama-3.1-8b."
_Random = Annotated[str | None, typer.Option("--random-weights", metavar="SHAPE", help=_RANDOM_HELP)]
_ADVANCE_HELP = "Predict decoding from measured passes, with the windows of this recorded run."
_Advance = Annotated[str | None, typer.Option("--advance-from", metavar="TRACE", help=_ADVANCE_HELP)]
_Format = Annotated[
    Format | None, typer.Option("--format", metavar="|".join(Format), help="How the result is written.")
]


def speed(
    context: typer.Context,
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    n_prompt: _Prompt = "512",
    n_gen: _Decode = "64",
    depth: _Depth = "512",
    check: _Check = "1,2,4,8,16,32,64",
    keep: _Keep = "0.5",
    draft_precision: _Precisions = "native",
    draft_group: options.DraftGroup = None,
    profile: _Profiles = None,
    window: _Window = "",
    draft_lookup: _Lookup = "",
    tree_width: _Width = "",
    baseline: _Baseline = None,
    repetitions: _Repetitions = 5,
    warmups: _Warmups = 1,
    random_weights: _Random = None,
    advance_from: _Advance = None,
    format: _Format = None,
    json: options.Json = False,
) -> None:
    """Time single passes (prefill, dense step, draft steps, checks) and whole answers, side by side.

    Every repetition runs each of them once. "/ dense" compares with the dense time of the same repetition, "of floor"
    with a plain read of the bytes that must be read. Lists with commas are combined with each other.
    """
    from sirius_cli.services.bench import baselines
    from sirius_cli.services.bench.speed_advance import read_advance
    from sirius_cli.services.bench.speed_plan import SpeedPlan
    from sirius_cli.services.session import ModelChoice

    form, names = _form(format, json), baselines.choose(baseline or ())
    if random_weights is not None:
        _refuse_beside_random_weights(context)
    plan = SpeedPlan(
        prefills=numbers("--n-prompt", n_prompt),
        depths=numbers("--depth", depth),
        checks=numbers("--check", check),
        drafts=_drafts(keep, draft_precision, draft_group),
        decodes=numbers("--n-gen", n_gen),
        profiles=()
        if random_weights is not None or not n_gen.strip()
        else _decodes(model, profile, window, draft_lookup, tree_width),
        advance=None if advance_from is None else read_advance(advance_from),
        random_weights=random_weights is not None,
        repetitions=repetitions,
        warmups=warmups,
    )
    if names and not plan.decodes:
        raise UsageError("baselines are measured at whole answers", "give --n-gen")
    choice = ModelChoice(model, device, dtype, threads, offline)
    _write(form, *_measure(choice, random_weights, plan, names, plain=form is not Format.TABLE), plan)


def load(choice: "ModelChoice", shape: str | None, report: "Progress", *, plain: bool) -> "tuple[Any, Path | None]":
    """The engine, and the folder of its model; None with random weights of a ``shape``.

    Raises:
        SiriusError: if there is no such model or shape, or it does not fit.
    """
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.services import session
    from sirius_cli.services.bench import shapes
    from sirius_cli.services.progress import loading

    dense = resolve_profile("dense", {}, {}).profile
    if shape is not None:
        found = shapes.find_shape(shape)
        with diagnostics.status(f"drawing random weights of {shape}", plain=plain):
            return shapes.load_random(shape, found, choice, dense), None
    model = session.find_model(choice, report)
    report(loading(model.name))
    return session.load_engine(model, choice, dense, report), model.path


def numbers(flag: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas between, each once.

    Raises:
        UsageError: if ``text`` is something else.
    """
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise UsageError(f"{flag} cannot be {text!r}", "give whole numbers with commas between") from error


def _measure(
    choice: "ModelChoice", shape: str | None, plan: "SpeedPlan", names: tuple[str, ...], *, plain: bool
) -> "tuple[Any, SpeedResult]":
    """The engine, and what it came to."""
    from sirius_cli.services.bench import baselines, speed

    with interrupts.at_once(), progress.progress_display(plain=plain) as report:
        engine, folder = load(choice, shape, report, plain=plain)
        if folder is None or not names:
            return engine, speed.measure(engine, plan, report)
        loader = baselines.Loader(engine, folder, names, plan.prefills, plan.decodes)
        return engine, speed.measure(engine, plan, report, loader)


def _form(format: Format | None, json: bool) -> Format:
    if json and format not in (None, Format.JSON):
        raise UsageError(f"--json and --format {format} are two forms", "give one of them")
    return Format.JSON if json else format or Format.TABLE


def _refuse_beside_random_weights(context: typer.Context) -> None:
    for parameter in ("model", "profile", "window", "draft_lookup", "tree_width", "baseline"):
        source = context.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            flag = "--" + parameter.replace("_", "-")
            raise UsageError(f"{flag} needs real weights, --random-weights has none", "leave one of them out")


def _drafts(text: str, precisions: str, group: int | None) -> "tuple[DraftSpec, ...]":
    """Coarse and fine drafts of every fraction in every precision, and the dense one of every copy."""
    try:
        keeps = [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UsageError(f"--keep cannot be {text!r}", "give fractions with commas between") from error
    if any(not 0 < keep <= 1 for keep in keeps):
        raise UsageError(f"--keep cannot be {text!r}", "give fractions above 0 and at most 1")
    sparse = [(method, keep) for keep in keeps for method in ("coarse", "fine")]
    found = []
    for precision in (part.strip() for part in precisions.split(",") if part.strip()):
        usual = sparse if precision == "native" else [("dense", 1.0), *sparse]
        found += [_draft(method, keep, precision, group) for method, keep in usual]
    return tuple(dict.fromkeys(found))


def _draft(method: str, keep: float, precision: str, group: int | None) -> "DraftSpec":
    from sirius_cli.config.resolve import Override, resolve_profile

    values: dict[str, Override] = {
        "draft.method": (method, ""),
        "draft.keep": (keep, "flag --keep"),
        "draft.precision": (precision, "flag --draft-precision"),
    }
    if group is not None:
        values["draft.group"] = (group, "flag --draft-group")
    return resolve_profile("dense", values, {}).profile.draft


def _decodes(model: str, names: list[str] | None, windows: str, lookups: str, widths: str) -> "tuple[Decode, ...]":
    from sirius_cli.config.resolve import Override, resolve_profile
    from sirius_cli.services.bench.speed_plan import Decode
    from sirius_cli.services.builtin_model import profile_of

    usual = (profile_of(model), "sirius")
    each, matches = _windows(windows) or (None,), numbers("--draft-lookup", lookups) or (None,)
    trees = numbers("--tree-width", widths) or (None,)
    found = []
    for name, window, lookup, width in product(names or usual, each, matches, trees):
        given = [
            ("window", "correction.window", window), ("draft-lookup", "draft.lookup", lookup),
            ("tree-width", "draft.tree_width", width),
        ]  # fmt: skip
        override: dict[str, Override] = {
            key: (value, f"flag --{flag}") for flag, key, value in given if value is not None
        }
        profile = resolve_profile(name, override, os.environ).profile
        changes = [f", {flag.removeprefix('draft-')} {value}" for flag, _, value in given if value is not None]
        found.append(Decode(profile.name + "".join(changes), profile))
    return tuple(dict.fromkeys(found))


def _windows(text: str) -> "tuple[int | str, ...]":
    """Numbers and the word auto, each once."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(dict.fromkeys(part if part == "auto" else int(part) for part in parts))
    except ValueError as error:
        raise UsageError(f"--window cannot be {text!r}", "give whole numbers or auto, with commas between") from error


def _write(form: Format, engine: Any, result: "SpeedResult", plan: "SpeedPlan") -> None:
    from sirius_cli.services.bench import speed_report as forms

    match form:
        case Format.JSON:
            output.write_json(forms.document(engine, result))
        case Format.JSONL:
            output.write_text(forms.as_json_lines(engine, result))
        case Format.CSV:
            output.write_text(forms.as_csv(result))
        case Format.MD:
            output.write_text(forms.as_markdown(engine, result))
        case Format.TABLE:
            output.write_text(forms.as_text(result))
            diagnostics.note(forms.legend())
            diagnostics.note(f"plain read of memory: {forms.spread(result.bandwidth, 1e-9)} GB/s; {_about(engine)}")
    for problem in plan.advance.problems if plan.advance else ():
        diagnostics.note(f"note: {problem}")


def _about(engine: Any) -> str:
    loaded = engine.loaded
    return f"{loaded.model}, {loaded.dtype} on {loaded.device}, {engine.threads} threads"
