"""An inspection as one HTML file: no network, no script needed; every text of the trace is escaped."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import zip_longest

from sirius_cli.core.safe_text import one_line
from sirius_cli.services.inspection.comparison import Comparison
from sirius_cli.services.inspection.facts import Correction, Inspection, Request, metrics_of
from sirius_cli.services.inspection.reports import figures, palette, tables
from sirius_cli.services.inspection.reports.tables import Column, Table, Value, shown, visible
from sirius_cli.services.inspection.wrapping import shown_texts, without_blanks

_CARDS = ("corrected_fraction", "aal", "effective_density", "effective_read", "decode_tokens_per_second", "ttft_ms")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render(inspection: Inspection, chosen: Sequence[Correction], comparison: Comparison | None = None) -> str:
    """The whole page; ``chosen`` are the corrections that its table lists."""
    title = f"Corrections of {dict(tables.about(inspection))['model']}"
    body = [
        f"<header><h1>{_safe(title)}</h1>{_about(inspection)}</header>",
        *(f'<p class="problem" role="alert">{_safe(problem)}</p>' for problem in _problems(inspection, comparison)),
        _cards(inspection),
        f'<section><h2>Overview</h2><div class="charts">{_charts(inspection)}</div></section>',
        *_answers(inspection),
        *_compared(comparison),
        *_tables(inspection, chosen),
        f"<footer>{_legend()}</footer>",
    ]
    return _document(title, "\n".join(body))


def style() -> str:
    """The style sheet, with the colours for light and for dark surroundings."""
    dark = f"@media screen and (prefers-color-scheme: dark){{:root{{{palette.variables(palette.DARK)}}}}}"
    return f":root{{{palette.variables(palette.LIGHT)}}}\n{dark}\n{_resource('page.css')}{_resource('chart.css')}"


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{style()}</style>\n</head>\n<body>\n"
        f"{body}\n<script>\n{_resource('page.js')}</script>\n</body>\n</html>\n"
    )


def _resource(name: str) -> str:
    return files("sirius_cli.services.inspection.reports").joinpath(name).read_text(encoding="utf-8")


def _problems(inspection: Inspection, comparison: Comparison | None) -> tuple[str, ...]:
    return inspection.problems + (comparison.right.problems if comparison else ())


def _about(inspection: Inspection) -> str:
    facts = (f"<div><dt>{_safe(name)}</dt><dd>{_safe(value)}</dd></div>" for name, value in tables.about(inspection))
    return f'<dl class="about">{"".join(facts)}</dl>'


def _cards(inspection: Inspection) -> str:
    metrics = metrics_of(inspection.requests)
    cards = [("corrections", str(len(inspection.corrections))), ("tokens", str(metrics.committed_tokens))]
    for name in _CARDS:
        label, kind = tables.FIGURES[name]
        cards.append((label, shown(getattr(metrics, name), kind)))
    items = (f"<div><dd>{_safe(value)}</dd><dt>{_safe(label)}</dt></div>" for label, value in cards)
    return f'<dl class="cards">{"".join(items)}</dl>'


def _charts(inspection: Inspection) -> str:
    drawn = figures.all_charts(inspection.requests)
    return "".join(f"<figure><figcaption>{_safe(title)}</figcaption>{svg}</figure>" for title, svg in drawn)


def _compared(comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        return
    other = dict(tables.about(comparison.right))
    pairing = "by the lengths of their prompts" if comparison.by_prompt else "by their order"
    yield f"<section><h2>Against {_safe(other['run'])}</h2>"
    yield f"<p>Answers are paired {pairing}. The other ran {_safe(other['model'])} with profile "
    yield f"{_safe(other['profile'])} ({_safe(other['draft'])}; {_safe(other['check'])}).</p></section>"
    yield from (_section(table) for table in tables.comparison_tables(comparison))


def _tables(inspection: Inspection, chosen: Sequence[Correction]) -> Iterator[str]:
    """Every table; from each correction a link leads to its place in the text."""
    for table in tables.all_tables(inspection, chosen):
        yield _section(table, [_anchor(c) for c in chosen] if table.name == "corrections" else ())


def _answers(inspection: Inspection) -> Iterator[str]:
    yield f'<section><h2>Answers</h2><p class="legend">{_legend()}</p>'
    for request in inspection.requests:
        several = f"{_safe(request.run)}, " if len(inspection.runs) > 1 else ""
        yield f"<article><h3>{several}answer {request.number} <small>{_safe(_facts(request))}</small></h3>"
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
            yield f'<span class="bonus">{escape(text)}</span>' if token.origin == "bonus" else escape(text)
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


def _section(table: Table, anchors: Sequence[str] = ()) -> str:
    return f"<section><h2>{_safe(table.title)}</h2>{_table(table, anchors)}</section>"


def _table(table: Table, anchors: Sequence[str]) -> str:
    if not table.rows:
        return "<p>None.</p>"
    head = "".join(f'<th scope="col" class="{column.kind}">{_safe(column.label)}</th>' for column in table.columns)
    rows = zip_longest(table.rows, anchors, fillvalue="")
    body = "".join(f"<tr>{''.join(_cells(row, table.columns, anchor))}</tr>\n" for row, anchor in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _cells(row: Iterable[Value], columns: Iterable[Column], anchor: str) -> Iterator[str]:
    for value, column in zip(row, columns, strict=True):
        order = "" if value is None or isinstance(value, str) else f' data-value="{value:.9g}"'
        text = escape(shown(value, column.kind))
        linked = f'<a href="#{anchor}">{text}</a>' if anchor and column.name == "index" else text
        yield f'<td class="{column.kind}"{order}>{linked}</td>'


def _legend() -> str:
    return (
        "<mark>marked</mark>: the dense model put this token in place of the draft's; point at it to see both. "
        '<span class="bonus">Dotted</span>: the dense token after a window that was accepted whole. '
        "␣ ⏎ ⇥ stand for white space, ∅ for a token without text."
    )


def _safe(text: str) -> str:
    return escape(one_line(text))
