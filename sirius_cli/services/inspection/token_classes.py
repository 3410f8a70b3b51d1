"""What kind of token a text is, by its characters alone."""

import re
import unicodedata
from typing import Literal, get_args

TokenClass = Literal["number", "operator", "word", "punctuation", "code", "whitespace", "other"]
CLASSES: tuple[TokenClass, ...] = get_args(TokenClass)

_NUMBER = re.compile(r"[+-]?[\d.,_]*\d[\d.,_]*%?")
# Program text and markup: what prose and formulas do not have.
_CODE = re.compile(r"[`{}\\;$#@_]|::|->|=>|&&|\|\||//|\(\)|\[\]|\*\*|---|[a-z][A-Z]")
_OPERATORS = frozenset("+-*/=<>^%|&~!")
_WORD_MARKS = "'\u2019-"


def classify(text: str) -> TokenClass:
    """The class of a token's text, white space around it aside; the first that fits:

    whitespace (nothing else), number (digits with separators, a sign or a percent sign), code (braces, backslashes,
    backticks, semicolons, underscores, ``# $ @``, ``:: -> => && || // () [] **``, rules of dashes, camelCase),
    operator (``+ - * / = < > ^ % | & ~ !=`` and mathematical symbols), punctuation (also currency signs), word
    (letters, with apostrophes and hyphens inside), other (mixtures, emoji, no text).
    """
    core = text.strip()
    if not core:
        return "whitespace" if text else "other"
    if _NUMBER.fullmatch(core):
        return "number"
    if _CODE.search(core):
        return "code"
    if all(map(_is_operator, core)) and core.strip("!"):
        return "operator"
    if all(map(_is_punctuation, core)):
        return "punctuation"
    return "word" if _is_word(core) else "other"


def _is_operator(character: str) -> bool:
    return character in _OPERATORS or unicodedata.category(character) == "Sm"


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character) in ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sc", "Sk", "Sm")


def _is_word(text: str) -> bool:
    letters = [unicodedata.category(character)[0] in "LM" for character in text]
    return any(letters) and all(
        letter or character in _WORD_MARKS for letter, character in zip(letters, text, strict=True)
    )
