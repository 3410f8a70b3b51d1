"""``sirius calibrate``: which layers need their neurons most, written down as a profile."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sirius_cli.cli import diagnostics, interrupts, options, output, progress

if TYPE_CHECKING:
    from sirius_cli.services.calibration import Calibration, CalibrationText
    from sirius_cli.services.session import ModelChoice

_SCHEMA_VERSION = 1
_BAR = 24  # columns of all neurons

_Keep = Annotated[float, typer.Option("--keep", help="Fraction of neurons kept, on average over layers.")]
_Text = Annotated[
    Path | None, typer.Option("--text", metavar="FILE", help="Measure on this text instead of the built-in one.")
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE.yaml", help="Write a profile that has these keeps.")
]


def calibrate(
    model: options.Model = options.DEFAULT_MODEL,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    keep: _Keep = 0.5,
    text: _Text = None,
    to: _Output = None,
    json: options.Json = False,
) -> None:
    """Find a keep for each layer of a model, at the bytes of one keep in all of them.

    Layers are measured one by one: what do the model's next tokens lose, in nats, if that layer alone skips neurons,
    and if all others do? A layer's share is the mean of what it adds as the first and as the last.
    """
    from sirius_cli.services import calibration
    from sirius_cli.services.session import ModelChoice

    calibration.check_keep(keep)
    if to is not None:
        calibration.check_output(to)
    read = calibration.read_text(text)
    found = _measured(ModelChoice(model, device, dtype, threads, offline), keep, read, plain=json)
    if to is not None:
        calibration.write_profile(to, calibration.profile_text(found, _asked(model, keep, text)))
    if json:
        output.write_json(_document(found, to))
        return
    output.write_table(["LAYER", "NATS", "KEEP", ""], _rows(found))
    for note in _notes(found, to):
        diagnostics.note(note)


def _measured(choice: "ModelChoice", keep: float, text: "CalibrationText", *, plain: bool) -> "Calibration":
    from sirius_cli.cli.bench_speed import load
    from sirius_cli.services.calibration import calibrate

    with interrupts.at_once(), progress.progress_display(plain=plain) as report:
        engine, _ = load(choice, None, report, plain=plain)
        return calibrate(engine, keep, text, report)


def _asked(model: str, keep: float, text: Path | None) -> str:
    given = ["--text", str(text)] if text else []
    return shlex.join(["sirius", "calibrate", "-m", model, "--keep", f"{keep:g}", *given])


def _rows(found: "Calibration") -> list[list[str]]:
    return [
        [str(number), f"{layer.share:.4f}", f"{layer.keep:.2f}", "█" * round(_BAR * layer.keep)]
        for number, layer in enumerate(found.layers)
    ]


def _notes(found: "Calibration", to: Path | None) -> list[str]:
    return [
        f"nats: each layer's share of what keep {found.keep:g} costs a token, on {found.tokens} tokens of {found.text}",
        f"all of them: {found.alike:.3g}; expected of these keeps: {found.by_layer:.3g}",
        f"keeps: {found.spelling}",
        "to use them, write a profile with -o FILE.yaml" if to is None else f"to use them, add --profile {_file(to)}",
    ]


def _file(path: Path) -> str:
    return shlex.quote(str(path))


def _document(found: "Calibration", to: Path | None) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA_VERSION,
        **asdict(found),
        "draft_layers": found.spelling,
        "profile": None if to is None else str(to),
    }
