"""Every token has one class, and the white space around it does not matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.services.inspection.token_classes import CLASSES, classify

EXAMPLES = {
    "number": ["7", " 42", "3.14", "1,000", "-5", "50%"],
    "operator": ["+", " =", "==", "<=", "!=", "√", "∑"],
    "word": [" the", "don't", "well-known", "naïve", "日本"],
    "punctuation": [".", " (", "),", "!", "…", "“", "€"],
    "code": ["()", "snake_case", "camelCase", "```", "**", "{", "\\", "->", "::"],
    "whitespace": [" ", "\n", "\t\n"],
    "other": ["", "3rd", "x2", "🙂"],
}


@pytest.mark.parametrize(("expected", "text"), [(name, text) for name, texts in EXAMPLES.items() for text in texts])
def test_examples(expected: str, text: str) -> None:
    assert classify(text) == expected


def test_every_class_has_examples() -> None:
    assert list(EXAMPLES.keys() - set(CLASSES)) == []
    assert set(EXAMPLES) == set(CLASSES)


@given(st.text(max_size=12))
def test_any_text_has_a_class(text: str) -> None:
    assert classify(text) in CLASSES


@given(st.text(min_size=1, max_size=8).filter(str.strip))
def test_surrounding_blanks_do_not_matter(text: str) -> None:
    assert classify(f" {text}\n") == classify(text)
