"""Choosing and ordering corrections: ``class=number``, ``p<0.3``, ``text~regex``, ``-margin``."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from sirius_cli.errors import UsageError
from sirius_cli.services.inspection.facts import Correction
from sirius_cli.services.inspection.token_classes import CLASSES

Test = Callable[[Correction], bool]

NUMBERS: Mapping[str, Callable[[Correction], float | None]] = {
    "request": lambda c: c.request,
    "index": lambda c: c.index,
    "window": lambda c: c.window,
    "position": lambda c: c.position,
    "drafted": lambda c: c.drafted,
    "nodes": lambda c: c.nodes,
    "p_draft": lambda c: c.p_draft,
    "p": lambda c: c.p,
    "q": lambda c: c.q,
    "margin": lambda c: c.margin,
    "entropy": lambda c: c.entropy,
}
TEXTS: Mapping[str, Callable[[Correction], Sequence[str]]] = {
    "run": lambda c: [c.run],
    "draft": lambda c: [c.draft],
    "dense": lambda c: [c.dense],
    "text": lambda c: [c.draft, c.dense],
    "source": lambda c: [c.source],
    "class": lambda c: [c.token_class],
    "draft_class": lambda c: [c.draft_class],
    "context": lambda c: [c.before + c.dense + c.after],
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FILTER = re.compile(r"\s*(\w+)\s*(<=|>=|!=|!~|=|<|>|~)\s*(.*?)\s*", re.DOTALL)


def parse_filter(text: str) -> Test:
    """A test of one condition, NAME OPERATOR VALUE. What was not recorded fulfils no comparison.

    Raises:
        UsageError: if ``text`` is no condition.
    """
    match = _FILTER.fullmatch(text)
    if match is None:
        raise UsageError(f"the filter {text!r} is no condition", "write one like class=number, p<0.3 or text~regex")
    name, sign, value = match.groups()
    if name in NUMBERS:
        return _number_test(text, NUMBERS[name], sign, value)
    if name in TEXTS:
        return _text_test(text, name, sign, value)
    raise UsageError(f"the filter {text!r} names no column", f"the columns are {', '.join([*NUMBERS, *TEXTS])}")


def parse_sort(text: str) -> Callable[[Iterable[Correction]], list[Correction]]:
    """A sorting by one column; ``-`` before its name puts the greatest first. Unknown values come last.

    Raises:
        UsageError: if there is no such column.
    """
    name = text.strip().removeprefix("-")
    reverse = text.strip().startswith("-")
    if name in NUMBERS:
        return lambda found: _sorted(found, NUMBERS[name], reverse)
    if name in TEXTS:
        return lambda found: _sorted(found, lambda c: tuple(part.casefold() for part in TEXTS[name](c)), reverse)
    raise UsageError(f"there is no column {name!r} to sort by", f"the columns are {', '.join([*NUMBERS, *TEXTS])}")


def select(
    corrections: Iterable[Correction], filters: Iterable[str] = (), sort: str | None = None, top: int | None = None
) -> tuple[Correction, ...]:
    """The corrections that fulfil all ``filters``, sorted, at most ``top`` of them.

    Raises:
        UsageError: if a filter or the sorting cannot be understood.
    """
    tests = [parse_filter(text) for text in filters]
    order = parse_sort(sort) if sort is not None else list
    return tuple(order(c for c in corrections if all(test(c) for test in tests))[:top])


def _number_test(text: str, get: Callable[[Correction], float | None], sign: str, value: str) -> Test:
    compare = _COMPARISONS.get(sign)
    try:
        wanted = float(value)
    except ValueError as error:
        raise UsageError(f"the filter {text!r} compares with {value!r}, which is no number") from error
    if compare is None:
        raise UsageError(f"the filter {text!r} looks for text in a number", f"use one of {' '.join(_COMPARISONS)}")
    return lambda c: (found := get(c)) is not None and compare(found, wanted)


def _text_test(text: str, name: str, sign: str, value: str) -> Test:
    if name.endswith("class") and sign in ("=", "!=") and value not in CLASSES:
        raise UsageError(f"the filter {text!r} names no class", f"the classes are {', '.join(CLASSES)}")
    get = TEXTS[name]
    if sign in ("=", "!="):
        wanted = value.strip()
        return lambda c: any(found.strip() == wanted for found in get(c)) is (sign == "=")
    if sign not in ("~", "!~"):
        raise UsageError(f"the filter {text!r} compares text by size", "use one of = != ~ !~")
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise UsageError(f"the filter {text!r} holds a faulty regular expression: {error}") from error
    return lambda c: any(pattern.search(found) for found in get(c)) is (sign == "~")


def _sorted(corrections: Iterable[Correction], key: Callable[[Correction], object], reverse: bool) -> list[Correction]:
    found = list(corrections)
    known = [c for c in found if key(c) is not None]
    known.sort(key=key, reverse=reverse)  # type: ignore[arg-type]  # one column holds values of one kind
    return known + [c for c in found if key(c) is None]
