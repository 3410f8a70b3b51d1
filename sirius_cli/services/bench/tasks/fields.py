"""Which fields the problems of a task must have, and what is wrong with one that has others."""

from collections.abc import Callable, Mapping
from enum import Enum

Values = Mapping[str, object]


class Kind(Enum):
    """What a field may hold, in words."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    FLAG = "true or false"
    NUMBER = "a whole number"

    def fits(self, value: object) -> bool:
        """Whether ``value`` is of this kind."""
        match self:
            case Kind.TEXT:
                return isinstance(value, str)
            case Kind.TEXTS:
                return isinstance(value, list) and all(isinstance(item, str) for item in value)
            case Kind.FLAG:
                return isinstance(value, bool)
            case Kind.NUMBER:
                return isinstance(value, int) and not isinstance(value, bool)


Fields = Mapping[str, Kind]
"""Fields by name; ``choices.label`` is the field ``label`` of the object ``choices``."""
Check = Callable[[Values], str]
"""What is wrong with values of the right kinds; empty if nothing is."""


def problem_with(values: Values, fields: Fields, check: Check) -> str:
    """What keeps ``values`` from being a problem of the task, in words; empty if nothing does."""
    missing = [name for name in fields if value_at(values, name) is None]
    if missing:
        return f"the field{'s' if len(missing) > 1 else ''} {', '.join(missing)} must be there"
    for name, kind in fields.items():
        if not kind.fits(value := value_at(values, name)):
            return f"{name} must be {kind.value}, not {_shown(value)}"
    return check(values)


def value_at(values: Values, name: str) -> object:
    """The value of a dotted name; None if there is none."""
    value: object = values
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def only(values: Values, fields: Fields, optional: tuple[str, ...]) -> dict[str, object]:
    """The top-level fields that the task reads: others may hold anything, and a table has one type a column."""
    read = {name.partition(".")[0] for name in fields}.union(optional)
    return {name: value for name, value in values.items() if name in read and value is not None}


def described(fields: Fields) -> str:
    """All ``fields`` with their kinds, on one line."""
    return ", ".join(f"{name} ({kind.value})" for name, kind in fields.items())


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
