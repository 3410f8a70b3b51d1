"""An inspection as one HTML file: no network, no script needed; every text of the trace is escaped."""

import zlib
from collections.abc import Iterator, Sequence
from html import escape

from sirius_cli.services.inspection.comparison import Comparison
from sirius_cli.services.inspection.facts import Correction, Inspection, Request, metrics_of
from sirius_cli.services.inspection.reports import figures, tables
from sirius_cli.services.inspection.wrapping import shown_texts, without_blanks
from sirius_cli.services.reports import markup
from sirius_cli.services.reports.markup import safe
from sirius_cli.services.reports.table import shown, visible

_CARDS = ("corrected_fraction", "aal", "effective_density", "effective_read", "decode_tokens_per_second", "ttft_ms")
_PLACE = "sirius_cli.services.inspection.reports"


def render(inspection: Inspection, chosen: Sequence[Correction], comparison: Comparison | None = None) -> str:
    """The whole page; ``chosen`` are the corrections that its table lists."""
    title = f"Corrections of {dict(tables.about(inspection))['model']}"
    body = [
        f"<header><h1>{safe(title)}</h1>{markup.about(tables.about(inspection))}</header>",
        *(markup.problem(problem) for problem in _problems(inspection, comparison)),
        _cards(inspection),
        f"<section><h2>Overview</h2>{markup.charts(figures.all_charts(inspection.requests))}</section>",
        *_answers(inspection),
        *_compared(comparison),
        *_tables(inspection, chosen),
        f"<footer>{_legend()}</footer>",
    ]
    style, script = (markup.resource(_PLACE, name) for name in ("answers.css", "page.js"))
    return markup.page(title, body, style, script)


def _problems(inspection: Inspection, comparison: Comparison | None) -> tuple[str, ...]:
    return inspection.problems + (comparison.right.problems if comparison else ())


def _cards(inspection: Inspection) -> str:
    metrics = metrics_of(inspection.requests)
    cards = [("corrections", str(len(inspection.corrections))), ("tokens", str(metrics.committed_tokens))]
    for name in _CARDS:
        label, kind = tables.FIGURES[name]
        cards.append((label, shown(getattr(metrics, name), kind)))
    items = (f"<div><dd>{safe(value)}</dd><dt>{safe(label)}</dt></div>" for label, value in cards)
    return f'<dl class="cards">{"".join(items)}</dl>'


def _compared(comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        return
    other = dict(tables.about(comparison.right))
    pairing = "by the lengths of their prompts" if comparison.by_prompt else "by their order"
    yield f"<section><h2>Against {safe(other['run'])}</h2>"
    yield f"<p>Answers are paired {pairing}. The other ran {safe(other['model'])} with profile "
    yield f"{safe(other['profile'])} ({safe(other['draft'])}; {safe(other['check'])}).</p></section>"
    yield from (markup.section(table) for table in tables.comparison_tables(comparison))


def _tables(inspection: Inspection, chosen: Sequence[Correction]) -> Iterator[str]:
    """Every table; from each correction a link leads to its place in the text."""
    for table in tables.all_tables(inspection, chosen):
        yield markup.section(table, "index", [_anchor(c) for c in chosen] if table.name == "corrections" else ())


def _answers(inspection: Inspection) -> Iterator[str]:
    yield f'<section><h2>Answers</h2><p class="legend">{_legend()}</p>'
    for request in inspection.requests:
        several = f"{safe(request.run)}, " if len(inspection.runs) > 1 else ""
        yield f"<article><h3>{several}answer {request.number} <small>{safe(_facts(request))}</small></h3>"
        yield f'<div class="answer">{"".join(_text(request))}</div></article>'
    yield "</section>"


def _facts(request: Request) -> str:
    ended = f"finish: {request.finish_reason}" if request.finish_reason else "unfinished"
    counts = f"{len(request.tokens)} tokens, {len(request.corrections)} corrected"
    return ", ".join([f"prompt {request.prompt_tokens} tokens", counts, request.error or ended])


def _text(request: Request) -> Iterator[str]:
    texts = shown_texts(request)
    for token, text in zip(request.tokens, texts, strict=False):
        if token.correction is not None:
            yield _marked(token.correction, text)
        else:
            marked = token.origin in ("bonus", "lookup")
            yield f'<span class="{token.origin}">{escape(text)}</span>' if marked else escape(text)
    yield escape(texts[-1])


def _marked(correction: Correction, text: str) -> str:
    blanks, core = without_blanks(text)
    place = f'id="{_anchor(correction)}" tabindex="0" data-tip="{escape(_tip(correction))}"'
    return f"{blanks}<mark {place}>{escape(core)}</mark>"


def _tip(correction: Correction) -> str:
    wanted = f"draft {visible(correction.draft)}  p {shown(correction.p_draft, 'ratio')}"
    sure = f", q {shown(correction.q, 'ratio')}" if correction.q is not None else ""
    unsure = f"\nentropy {correction.entropy:.2f} nats" if correction.entropy is not None else ""
    place = f"window {correction.window}, position {correction.position} of {correction.drafted} drafted"
    return f"{wanted}{sure}\ndense {visible(correction.dense)}  p {correction.p:.3f}{unsure}\n{place}"


def _anchor(correction: Correction) -> str:
    """A name without any character of the run's own name, which could hold anything."""
    run = zlib.crc32(correction.run.encode(errors="surrogatepass"))
    return f"c{run:x}-{correction.request}-{correction.index}"


def _legend() -> str:
    return (
        "<mark>marked</mark>: the dense model put this token in place of the draft's; point at it to see both. "
        '<span class="bonus">Dotted</span>: the dense token after a window that was accepted whole. '
        '<span class="lookup">Blue</span>: accepted, and copied from the text without a draft step. '
        "␣ ⏎ ⇥ stand for white space, ∅ for a token without text."
    )
