"""Advance and reads of draft formats over windows, from one run of `sirius bench --task`: a table and a picture.

    sirius bench --task gsm8k … --compare $(python docs/results/plot_windows.py --compare) --format json > RUN.json
    python docs/results/plot_windows.py RUN.json --picture windows.svg

The first line names the methods to run: every format at every window under both rules, beside dense decoding. The
second prints a table in Markdown and draws the advance over the window.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

WINDOWS = (4, 8, 16, 24)
FORMATS = {
    "native coarse": "method=coarse:precision=native",
    "int8": "method=dense:precision=int8:group=64",
    "int4 g32": "method=dense:precision=int4:group=32",
    "int4 g128": "method=dense:precision=int4:group=128",
    "int4 coarse": "method=coarse:precision=int4:group=32",
    "int4 fine": "method=fine:precision=int4:group=32",
}
RULES = ("exact", "likelihood")
_STYLES = ("overall", "recent", "third")
_THIRD = ".chart .third { fill: none; stroke: var(--green); stroke-width: 1.8; stroke-dasharray: 7 3; }"


def method(form: str, rule: str, window: int) -> str:
    """As `--compare` takes it."""
    return f"turbo:lookup=0:accept={rule}:window={window}:{FORMATS[form]}"


def methods(form: str, rule: str) -> list[str]:
    return [method(form, rule, window) for window in WINDOWS]


def by_method(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (task,) = run["tasks"]
    return {found["method"]: found for found in task["methods"]}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Advance, and in brackets effective read, by format, rule and window.

    "Agrees": the share of tokens that no check corrected, at the widest window but one.
    """
    head = "".join(f" {window} |" for window in WINDOWS)
    lines = [f"| draft | rule | same as dense | agrees |{head}", "|---|---|---|---|" + "---|" * len(WINDOWS)]
    for form in FORMATS:
        for rule in RULES:
            figures = [found[name] for name in methods(form, rule)]
            cells = "".join(f" {one['aal']:.1f} ({one['effective_read']:.2f}) |" for one in figures)
            same = sum(one["agreement"]["same"] for one in figures)
            compared = sum(one["agreement"]["compared"] for one in figures)
            agrees = 1.0 - figures[-2]["corrected_fraction"]
            lines.append(f"| {form} | {rule} | {same} of {compared} | {agrees:.1%} |{cells}")
    return "\n".join(lines) + "\n"


def picture(found: dict[str, dict[str, Any]], about: str) -> str:
    from sirius_cli.services.reports import picture as pictures
    from sirius_cli.services.reports.charts import Level, Series, lines

    charts = []
    for forms in (list(FORMATS)[:3], list(FORMATS)[3:]):
        for rule in RULES:
            series = [
                Series(form, style, tuple((w, found[method(form, rule, w)]["aal"]) for w in WINDOWS))
                for form, style in zip(forms, _STYLES, strict=True)
            ]
            drawn = lines(f"{rule} rule", series, [Level("all", float(max(WINDOWS)))], "window", "tokens a check")
            charts.append((f"{rule} rule", drawn))
    body, height = pictures.two_columns(charts, 90)
    head = [pictures.text("title", pictures.MARGIN, 36, "Tokens a check commits, by window"),
            pictures.text("small", pictures.MARGIN, 58, about)]  # fmt: skip
    return pictures.document(height, [*head, *body], _THIRD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="JSON of the run")
    parser.add_argument("--picture", type=Path, help="SVG to write")
    parser.add_argument("--compare", action="store_true", help="name the methods, for --compare")
    args = parser.parse_args()
    if args.compare:
        names = [name for form in FORMATS for rule in RULES for name in methods(form, rule)]
        sys.stdout.write(",".join(["dense", *names]) + "\n")
        return
    run = json.loads(args.run.read_text())
    found = by_method(run)
    sys.stdout.write(table(found))
    if args.picture:
        task = run["tasks"][0]
        about = f"{run['model']}, {task['task']}, {task['methods'][0]['items']} items; Sirius, sirius bench"
        args.picture.write_text(picture(found, about))


if __name__ == "__main__":
    main()
