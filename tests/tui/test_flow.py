"""Wrapping while writing."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sirius_cli.core.safe_text import neutralise
from sirius_cli.tui.flow import Flow, Line, Run

TEXTS = st.lists(st.text(st.sampled_from("ab \n\tñ語🙂-"), max_size=12), max_size=12)
WIDTHS = st.integers(4, 20)


def texts(lines: list[Line]) -> list[str]:
    return ["".join(run.text for run in line) for line in lines]


@given(TEXTS, WIDTHS)
def test_no_line_is_too_wide_and_no_word_is_lost(parts: list[str], width: int) -> None:
    flow = Flow(width)
    for part in parts:
        flow.write(part)
    lines = texts(flow.finish())
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join("".join(parts).split())


@given(TEXTS, WIDTHS)
def test_it_does_not_matter_how_a_text_is_cut(parts: list[str], width: int) -> None:
    at_once, by_parts = Flow(width), Flow(width)
    at_once.write("".join(parts))
    for part in parts:
        by_parts.write(part)
    assert texts(at_once.finish()) == texts(by_parts.finish())


@given(TEXTS, TEXTS, WIDTHS)
def test_a_preview_is_what_writing_would_give(parts: list[str], tail: list[str], width: int) -> None:
    flow, written = Flow(width), Flow(width)
    for part in parts:
        flow.write(part)
        written.write(part)
    done = len(flow.lines)
    shown = texts([*flow.lines, *flow.preview([Run(text) for text in tail])])
    for part in tail:
        written.write(part)
    assert shown == texts(written.finish())
    assert len(flow.lines) == done


@given(st.text(max_size=60), WIDTHS)
def test_any_neutralised_text_fits(text: str, width: int) -> None:
    flow = Flow(width)
    flow.write(neutralise(text))
    assert all(cell_len(line) <= width for line in texts(flow.finish()))


def test_words_stay_whole_and_blanks_go_at_the_break() -> None:
    flow = Flow(10)
    flow.write("one two three four")
    assert texts(flow.finish()) == ["one two ", "three four"]


def test_prefixes_stand_before_every_line() -> None:
    flow = Flow(8, Run("> "), Run("  "))
    flow.write("one two three")
    assert texts(flow.finish()) == ["> one ", "  two ", "  three"]


def test_kinds_and_tokens_are_kept_and_blanks_have_none() -> None:
    flow = Flow(20)
    flow.write("a", "")
    flow.write(" big", "corrected", 7)
    assert flow.finish() == [(Run("a"), Run(" ", "", 7), Run("big", "corrected", 7))]


def test_a_word_of_several_looks_breaks_as_one() -> None:
    flow = Flow(6)
    flow.write("abcd", "x")
    flow.write("efgh", "y")
    assert flow.finish() == [(Run("abcd", "x"), Run("ef", "y")), (Run("gh", "y"),)]
