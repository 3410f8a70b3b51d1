"""Finds the answer in what a model wrote about a question, however it puts it. lm-eval calls these as filters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NO_ANSWER = "[invalid]"
"""What stands for an answer that could not be found, as in lm-eval's filters."""

_STATES = r"(?i:\banswer\b(?:[^.\n()]{0,30}?\b(?:is|be)\b|\W{0,4}:)|\b(?:option|choice) is\b)"
# Markup, brackets and the words that may stand between "is" and the answer.
_BETWEEN = r"(?:\\(?:boxed|text|textbf|mathrm)\b|\b(?i:option|choice|letter)\b|\W)*?"
_LETTER = r"(?:\(?\s*([A-Ha-h])\s*\)|([A-H])(?![\w'\u2019]))"
_YES_NO = r"((?i:yes|no))\b"

_STATED_LETTER = re.compile(_STATES + _BETWEEN + _LETTER)
_BRACKETED_LETTER = re.compile(r"\(([A-H])\)")
_LONE_LETTER = re.compile(r"^\W*([A-H])(?:[).:]|\W*$)")
_STATED_YES_NO = re.compile(_STATES + _BETWEEN + _YES_NO)
_LONE_YES_NO = re.compile(r"^\W*" + _YES_NO + r"(?=\W*$|\s*[.,;:!*])")
_CONCLUDED_YES_NO = re.compile(r"(?i:\b(?:so|thus|therefore|hence)),?\s+" + _YES_NO + r"\W*$")

Responses = Iterable[Sequence[str]]
Documents = Sequence[Mapping[str, Any]]


def letters(responses: Responses, docs: Documents) -> list[list[str]]:
    """lm-eval's filter for answers like "B"."""
    return [[letter_of(text) for text in row] for row in responses]


def bracketed_letters(responses: Responses, docs: Documents) -> list[list[str]]:
    """lm-eval's filter for answers like "(B)"."""
    return [[re.sub("^[A-H]$", r"(\g<0>)", letter_of(text)) for text in row] for row in responses]


def yes_or_no(responses: Responses, docs: Documents) -> list[list[str]]:
    """lm-eval's filter for answers like "yes"."""
    return [[yes_or_no_of(text) for text in row] for row in responses]


def letter_of(text: str) -> str:
    """The letter, upper case, of the option that ``text`` settles on.

    The last statement of an answer counts. Without one, the last line may name the option in brackets or begin with it.
    """
    line = _last_line(text)
    found = _last(_STATED_LETTER, text) or _last(_BRACKETED_LETTER, line) or _last(_LONE_LETTER, line)
    return found.upper() or NO_ANSWER


def yes_or_no_of(text: str) -> str:
    """ "yes" or "no", whichever ``text`` settles on.

    The last statement of an answer counts. Without one, the last line may conclude with it or begin with it, or else
    the text begin with it.
    """
    line = _last_line(text)
    stated = _last(_STATED_YES_NO, text) or _last(_CONCLUDED_YES_NO, line)
    return (stated or _last(_LONE_YES_NO, line) or _last(_LONE_YES_NO, text)).lower() or NO_ANSWER


def _last(pattern: re.Pattern[str], text: str) -> str:
    found: list[str | tuple[str, ...]] = pattern.findall(text)
    return "".join(found[-1]) if found else ""


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
