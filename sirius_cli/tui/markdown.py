"""Markdown of a finished answer, as wrapped lines. Its looks are attributes only, so that every theme can show them."""

import io

from rich.console import Console
from rich.markdown import Markdown
from rich.segment import Segment
from rich.theme import Theme

from sirius_cli.tui.flow import Line, Run

EXPLICIT = "style:"
"""Before a rich style's text in ``Run.kind``."""

_LOOKS = Theme(
    {
        "markdown.code": "bold",
        "markdown.code_block": "none",
        "markdown.h1": "bold underline",
        "markdown.h1.border": "none",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "bold italic",
        "markdown.item.bullet": "bold",
        "markdown.item.number": "bold",
        "markdown.hr": "dim",
        "markdown.block_quote": "italic",
        "markdown.link": "underline",
        "markdown.link_url": "underline",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


def markdown_lines(text: str, width: int) -> list[Line]:
    """``text``, without control characters, rendered in ``width`` cells. Links are shown, not made to open."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system="truecolor",
        theme=_LOOKS,
        legacy_windows=False,
    )
    document = Markdown(text, code_theme="ansi_dark", hyperlinks=False)
    options = console.options.update(width=max(8, width - 2))
    return [_line(line) for line in console.render_lines(document, options, pad=False)]


def _line(segments: list[Segment]) -> Line:
    runs = [
        Run(segment.text, f"{EXPLICIT}{segment.style or 'none'}") for segment in segments if segment.text.strip("\n")
    ]
    return (Run("  "), *runs)
