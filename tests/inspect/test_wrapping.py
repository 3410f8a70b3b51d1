"""Lines hold the whole text, fit their width, and know their tokens."""

from correction_streams import answer, inspection
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.safe_text import width
from sirius_cli.services.inspection.wrapping import shown_texts, wrap

words = st.lists(st.text(st.characters(codec="utf-8"), max_size=9), min_size=1, max_size=30)


@given(words, st.integers(2, 40))
def test_nothing_is_lost_and_lines_fit(texts: list[str], columns: int) -> None:
    (request,) = inspection(answer(texts, {})).requests
    lines = wrap(request, columns)
    shown = "".join(shown_texts(request)).replace("\t", "    ")
    assert "".join(piece.text for line in lines for piece in line) == shown.replace("\n", "")
    assert all(width("".join(piece.text for piece in line).rstrip()) <= columns for line in lines)


@given(words, st.integers(2, 40))
def test_every_piece_is_of_its_token(texts: list[str], columns: int) -> None:
    (request,) = inspection(answer(texts, {})).requests
    shown = [text.replace("\t", "    ") for text in shown_texts(request)]
    pieces = [piece for line in wrap(request, columns) for piece in line]
    assert [piece.token for piece in pieces] == sorted(piece.token for piece in pieces)
    assert all(piece.text in shown[piece.token] for piece in pieces)


def test_words_stay_whole() -> None:
    (request,) = inspection(answer(["one", " two", " three"], {})).requests
    lines = ["".join(piece.text for piece in line).rstrip() for line in wrap(request, 8)]
    assert lines == ["one two", "three"]
