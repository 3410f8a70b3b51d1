"""Ways to show an answer while it is made. Each takes the events one by one."""

import sys
from collections.abc import Callable, Iterator

from sirius_cli.cli import diagnostics, output, terminal
from sirius_cli.core.events import Committed, Finished, StepEvent
from sirius_cli.core.metrics import Metrics

Sink = Callable[[StepEvent], None]
_UNDERLINED, _UNDERLINED_YELLOW = "4", "4;33"


def correction_style(*, colour: bool, plain: bool) -> str:
    """The SGR parameters that mark a corrected token on standard output; empty where marks are not possible."""
    able = terminal.abilities(sys.stdout, colour=colour)
    if plain or not able.ansi:
        return ""
    return _UNDERLINED_YELLOW if able.colour else _UNDERLINED


class TextView:
    """Writes the text of an answer, corrected tokens marked."""

    def __init__(self, style: str) -> None:
        self._style = style
        self._open_line = False

    def __call__(self, event: StepEvent) -> None:
        if isinstance(event, Committed):
            for token in event.tokens:
                self._write(token.text, self._style if token.origin == "correction" else "")
        elif isinstance(event, Finished):
            self._write(event.tail)

    def end(self) -> None:
        """Leave the cursor at the start of a line."""
        if self._open_line:
            self._write("\n")

    def _write(self, text: str, style: str = "") -> None:
        if text:
            self._open_line = not text.endswith("\n")
            output.write_text(text, style=style)


def with_status(events: Iterator[StepEvent], text: str, *, plain: bool) -> Iterator[StepEvent]:
    """Show ``text`` on standard error until the first token is there."""
    with diagnostics.status(text, plain=plain):
        for event in events:
            if isinstance(event, Committed | Finished):
                break
            yield event
        else:
            return
    yield event
    yield from events


def figures(metrics: Metrics, finish_reason: str) -> str:
    """One line of figures. What was not measured is left out."""
    count = metrics.committed_tokens
    parts = [f"{count} token{'' if count == 1 else 's'}"]
    parts += _figure("{:.1f} tok/s", metrics.decode_tokens_per_second)
    parts += _figure("AAL {:.1f}", metrics.aal)
    parts += _figure("effective density {:.2f}", metrics.effective_density)
    parts += _figure("read {:.2f}", metrics.effective_read)
    parts += _figure("{:.1%} corrected", metrics.corrected_fraction)
    parts += _figure("{:.1%} looked up", metrics.looked_up or None)
    parts += _figure("first token {:.2f} s", None if metrics.ttft_ms is None else metrics.ttft_ms / 1000)
    return ", ".join([*parts, f"finish: {finish_reason}"])


def _figure(template: str, value: float | None) -> list[str]:
    return [] if value is None else [template.format(value)]
