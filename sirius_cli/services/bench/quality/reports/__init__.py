"""Reports of ``sirius bench --task``."""

from sirius_cli.services.bench.quality.reports.document import result_from_json, result_to_json
from sirius_cli.services.bench.quality.reports.forms import render, render_comparison
from sirius_cli.services.bench.quality.reports.threshold import shortfalls

__all__ = ["render", "render_comparison", "result_from_json", "result_to_json", "shortfalls"]
