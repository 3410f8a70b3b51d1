"""What drafts of a run of `sirius bench --task` read, and what they score: a table and a picture.

    sirius bench --task gsm8k … --compare $(python docs/results/plot_ablation.py --compare) --format json > RUN.json
    python docs/results/plot_ablation.py RUN.json --picture ablation.svg

The first line names the methods to run, the second prints a table in Markdown and draws what each reads.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

LAYERS = (  # of `sirius calibrate -m qwen2.5-coder-1.5b --keep 0.5`
    "0.65+5x0.3+0.45+2x0.3+0.65+0.3+0.8+0.5+0.3+0.65+0.55+0.3+0.95+0.4+0.8+0.4+0.85+0.45+0.6+0.75+2x0.3+0.95"
)
METHODS = {
    "dense": "dense",
    "plain": "sirius:confidence=0:refresh=0:decay=1",
    "refresh": "sirius:confidence=0:decay=1",
    "layers": f"sirius:confidence=0:refresh=0:decay=1:layers={LAYERS}",
    "doubt": "sirius:refresh=0:decay=1",
    "doubt, refresh": "sirius:decay=1",
    "and look-ups": "sirius:decay=1:lookup=3",
    "all": f"sirius:layers={LAYERS}",
    "all but layers": "sirius",
    "doubt, layers": f"sirius:refresh=0:decay=1:layers={LAYERS}",
    "all but doubt": f"sirius:confidence=0:layers={LAYERS}",
    "and four paths": f"sirius:confidence=0:tree_width=4:layers={LAYERS}",
    "all, at 0.3": f"sirius:threshold=0.3:layers={LAYERS}",
}


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = ["| draft | score | less than dense | AAL | effective read | corrected |", "|---|---|---|---|---|---|"]
    for name, one in found.items():
        less = one["difference"]
        lost = f"{-less['value']:z.3f} ({-less['high']:z.3f} to {-less['low']:z.3f})" if less else ""
        advance = f"{one['aal']:.1f}" if one["aal"] else "1"
        corrected = f"{one['corrected_fraction']:.1%}" if one["corrected_fraction"] is not None else ""
        read = f"{one['effective_read']:.2f}"
        lines.append(f"| {name} | {one['score']:.3f} | {lost} | {advance} | {read} | {corrected} |")
    return "\n".join(lines) + "\n"


def picture(found: dict[str, dict[str, Any]], about: str) -> str:
    from sirius_cli.services.reports import picture as pictures
    from sirius_cli.services.reports.charts import Bar, rows

    reads = [Bar(name, one["effective_read"], f"{one['effective_read']:.2f}") for name, one in found.items()]
    scores = [Bar(name, one["score"], f"{one['score']:.3f}") for name, one in found.items()]
    charts = [("Weights read, of dense decoding", rows("Reads", reads)), ("Score", rows("Scores", scores))]
    body, height = pictures.two_columns(charts, 90)
    head = [pictures.text("title", pictures.MARGIN, 36, "Coarse drafts, by what is added to them"),
            pictures.text("small", pictures.MARGIN, 58, about)]  # fmt: skip
    return pictures.document(height, [*head, *body])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="the run, as `sirius bench --format json` prints it")
    parser.add_argument("--compare", action="store_true", help="print the methods to run and stop")
    parser.add_argument("--picture", type=Path, help="where the picture goes")
    parser.add_argument("--about", default="", help="a line below its title: model, task, date")
    arguments = parser.parse_args()
    if arguments.compare or arguments.run is None:
        sys.stdout.write(",".join(METHODS.values()) + "\n")
        return
    (task,) = json.loads(arguments.run.read_text())["tasks"]
    by_method = {one["method"]: one for one in task["methods"]}
    found = {name: by_method[method] for name, method in METHODS.items() if method in by_method}
    sys.stdout.write(table(found))
    if arguments.picture is not None:
        arguments.picture.write_text(picture(found, arguments.about))


if __name__ == "__main__":
    main()
