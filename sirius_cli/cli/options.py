"""Options that several commands share, each declared once. ``--some-name`` reads the variable ``SIRIUS_SOME_NAME``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sirius_cli.config.values import value_of
from sirius_cli.errors import UsageError

DEFAULT_MODEL = "builtin:smollm2"


def _option(name: str, *more: str, **settings: Any) -> Any:
    return typer.Option(name, *more, envvar=variable(name), **settings)


def _hidden(name: str) -> Any:
    return typer.Option(name, hidden=True)


def variable(flag: str) -> str:
    """The environment variable of ``flag``."""
    return "SIRIUS_" + flag.lstrip("-").replace("-", "_").upper()


Model = Annotated[
    str,
    _option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A folder, a .gguf file, owner/name[@revision], owner/name:file.gguf or builtin:smollm2.",
    ),
]
Device = Annotated[str, _option("--device", metavar="auto|cpu|cuda[:N]", help="Where to run.")]
Dtype = Annotated[str, _option("--dtype", metavar="auto|float32|bfloat16|float16", help="Number format.")]
Threads = Annotated[int | None, _option("--threads", help="CPU threads to use.")]
Offline = Annotated[bool, _option("--offline", help="Never touch the network.")]

System = Annotated[str | None, _option("--system", "-s", help="System prompt.")]
MaxNewTokens = Annotated[int, _option("--max-new-tokens", "-n", help="Longest answer, in tokens.")]
Temperature = Annotated[float, _option("--temperature", "-t", help="0 takes the likeliest token.")]
TopP = Annotated[float, _option("--top-p", help="Sample from this much probability.")]
TopK = Annotated[int, _option("--top-k", help="Sample from this many tokens; 0 is off.")]
Seed = Annotated[int, _option("--seed", help="Seed of the sampling.")]
Stop = Annotated[
    list[str] | None,
    _option(
        "--stop",
        metavar="TEXT",
        help="End the answer before this text; may be given several times (in the variable: apart by blanks).",
    ),
]
Raw = Annotated[bool, _option("--raw", help="Send the prompt without a chat template.")]

ProfileName = Annotated[
    str | None,
    _option(
        "--profile",
        metavar="NAME|FILE",
        help="How to draft and check; exact if not said, exact-small with the built-in model.",
    ),
]
Method = Annotated[str | None, _option("--method", metavar="dense|coarse|fine", help="Which weights a draft uses.")]
Keep = Annotated[float | None, _option("--keep", help="Fraction of neurons kept.")]
DraftLayers = Annotated[
    str | None,
    _option("--draft-layers", metavar="0.75+22x0.4+…", help="Coarse: a keep for each layer, or none, with + between."),
]
Refresh = Annotated[
    int | None, _option("--refresh", help="Coarse: choose the neurons anew after so many checks; 0: never.")
]
Decay = Annotated[float | None, _option("--decay", help="Coarse: weight that a check leaves of the text before it.")]
DraftPrecision = Annotated[
    str | None, _option("--draft-precision", metavar="native|int8|int4", help="In how many bits a draft reads weights.")
]
DraftGroup = Annotated[int | None, _option("--draft-group", help="Weights that share a scale: 32, 64 or 128.")]
DraftInt8 = Annotated[
    str | None,
    _option("--draft-int8", metavar="head+down+…", help="Matrices that an int4 copy keeps in 8 bits, with + between."),
]
DraftLookup = Annotated[
    int | None, _option("--draft-lookup", help="Shortest match in the text whose continuation is drafted; 0: none is.")
]
TreeWidth = Annotated[
    int | None, _option("--tree-width", help="Most paths that a draft follows side by side, 1 to 16; 1: a chain.")
]
TreeSplit = Annotated[
    float | None, _option("--tree-split", help="A tree drops paths less likely than this times its likeliest; 0: none.")
]
Window = Annotated[
    str | None,
    _option("--window", metavar="N|auto", help="Tokens per check; auto plans them from costs and acceptance."),
]
PlanFor = Annotated[
    str | None, _option("--plan-for", metavar="speed|read", help="Window auto: most tokens a second, or least read.")
]
Confidence = Annotated[
    float | None, _option("--confidence", help="A draft ends early once it is less sure than this; 0: never.")
]
Accept = Annotated[str | None, _option("--accept", metavar="exact|likelihood", help="Rule of the check.")]
Threshold = Annotated[float | None, _option("--threshold", help="Lowest acceptable dense probability.")]
AcceptTemperature = Annotated[float | None, _option("--accept-temperature", help="Temperature of that probability.")]
NoCorrection = Annotated[bool, _option("--no-correction", help="Let the draft answer alone.")]

# The paper's spellings.
KernelSize = Annotated[str | None, _hidden("--kernel-size")]
Thr = Annotated[float | None, _hidden("--thr")]
Spr = Annotated[float | None, _hidden("--spr")]
Griffin = Annotated[bool, _hidden("--griffin")]
Cats = Annotated[bool, _hidden("--cats")]

Plain = Annotated[bool, _option("--plain", help="No marks, no progress display.")]
Json = Annotated[bool, _option("--json", help="Write one JSON document.")]
JsonLines = Annotated[bool, _option("--jsonl", help="Write every event as a JSON line.")]
Trace = Annotated[Path | None, _option("--trace", metavar="FILE", help="Record every event in a file.")]
NoColor = Annotated[bool, _option("--no-color", help="No colours; marks stay underlined.")]

Continue = Annotated[bool, typer.Option("--continue", help="Go on with the newest kept conversation.")]
Replay = Annotated[Path | None, typer.Option("--replay", metavar="TRACE", help="Show a recorded run; no model needed.")]
Speed = Annotated[
    float | None, typer.Option("--speed", help="Of --replay: how many times as fast as recorded; inf: at once.")
]
Inline = Annotated[bool, _option("--inline", help="Draw the dashboard below the prompt of the shell.")]
Theme = Annotated[str | None, _option("--theme", metavar="NAME", help="Colours of the dashboard.")]
Screenshot = Annotated[
    Path | None, typer.Option("--screenshot", metavar="FILE.svg", help="Draw the dashboard into a file, and exit.")
]
Cast = Annotated[
    Path | None, typer.Option("--cast", metavar="FILE.cast", help="Record the dashboard in a file, as asciicast v3.")
]
Web = Annotated[bool, typer.Option("--web", help="Serve the dashboard to browsers on this machine.")]
Port = Annotated[int, _option("--port", help="Port of --web; 0 takes any that is free.")]


@dataclass(frozen=True, slots=True)
class _Override:
    flag: str
    key: str
    convert: Callable[[Any], object] = lambda value: value

    @property
    def parameter(self) -> str:
        return self.flag.lstrip("-").replace("-", "_")

    def given(self, context: typer.Context) -> bool:
        return on_command_line(context, self.parameter)


_OVERRIDES = (
    _Override("--method", "draft.method"),
    _Override("--griffin", "draft.method", lambda _: "coarse"),
    _Override("--cats", "draft.method", lambda _: "fine"),
    _Override("--keep", "draft.keep"),
    _Override("--draft-layers", "draft.layers"),
    _Override("--refresh", "draft.refresh"),
    _Override("--decay", "draft.decay"),
    _Override("--draft-precision", "draft.precision"),
    _Override("--draft-group", "draft.group"),
    _Override("--draft-int8", "draft.int8"),
    _Override("--draft-lookup", "draft.lookup"),
    _Override("--tree-width", "draft.tree_width"),
    _Override("--tree-split", "draft.tree_split"),
    _Override("--spr", "draft.keep", lambda sparsity: round(1.0 - sparsity, 12)),
    _Override("--window", "correction.window", value_of),
    _Override("--kernel-size", "correction.window", value_of),
    _Override("--plan-for", "correction.plan_for"),
    _Override("--confidence", "correction.confidence"),
    _Override("--accept", "correction.accept"),
    _Override("--threshold", "correction.threshold"),
    _Override("--thr", "correction.threshold"),
    _Override("--accept-temperature", "correction.temperature"),
    _Override("--no-correction", "correction.enabled", lambda value: not value),
)


def on_command_line(context: typer.Context, parameter: str) -> bool:
    """Whether a parameter's value was typed, and does not come from a variable or a default."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def given(context: typer.Context) -> list[str]:
    """The options that stand on the command line, each by its longest name, in the order of ``--help``."""
    found = (param for param in context.command.params if on_command_line(context, param.name or ""))
    return [max(param.opts, key=len) for param in found]


def overrides(context: typer.Context) -> dict[str, tuple[object, str]]:
    """The profile's fields that flags set: dotted key -> (value, origin). Variables are ``resolve_profile``'s.

    Raises:
        UsageError: if two flags set the same field.
    """
    found: dict[str, tuple[object, str]] = {}
    for override in _OVERRIDES:
        if not override.given(context):
            continue
        if override.key in found:
            first = found[override.key][1].removeprefix("flag ")
            raise UsageError(f"{first} and {override.flag} set the same value", "give one of them")
        found[override.key] = (override.convert(context.params[override.parameter]), f"flag {override.flag}")
    return found
