"""A picture of what the GPU suite measured: each step, and each window's token, over a dense step of the same run.

python docs/results/plot_gpu.py docs/results/h100.json --picture docs/results/h100.svg
"""

import argparse
import json
from pathlib import Path
from typing import Any

from sirius_cli.services.reports import picture
from sirius_cli.services.reports.charts import Bar, rows


def bars(results: dict[str, Any], model: str, *, windows: bool) -> list[Bar]:
    """Of ``model``: its steps, or beside the dense one what its windows take for a token."""
    found = {one["step"]: one["times"]["median"] for one in results["steps"] if one["model"] == model}
    dense = found["dense step"]
    return [
        _bar(step, seconds / (results["advance"] if step.startswith("window") else 1.0), dense)
        for step, seconds in found.items()
        if step == "dense step" or step.startswith("window") == windows
    ]


def _bar(step: str, seconds: float, dense: float) -> Bar:
    label = step.split(", ")[-1].removesuffix(" step")
    return Bar(label, seconds / dense, f"{seconds / dense:.2f}: {1000 * seconds:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results.json of the suite")
    parser.add_argument("--picture", type=Path, required=True, help="the SVG to write")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text())
    charts = [
        (f"{model}: {what}", rows(f"{model}: {what}", bars(results, model, windows=windows)))
        for model in reversed(dict.fromkeys(one["model"] for one in results["steps"]))
        for what, windows in (("steps", False), (f"a token, where windows of 16 advance {results['advance']:g}", True))
    ]
    body, height = picture.two_columns(charts, 90)
    about = f"{results['device']}, {results['date']}: bf16, random weights, {results['context']} tokens in the cache"
    head = [
        picture.text("title", picture.MARGIN, 36, "Steps and windows on a GPU, over a dense step"),
        picture.text("small", picture.MARGIN, 58, about),
    ]
    arguments.picture.write_text(picture.document(height, [*head, *body]))


if __name__ == "__main__":
    main()
