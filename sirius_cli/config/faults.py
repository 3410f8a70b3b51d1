"""What can be wrong with the values of a file, said in words and with its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sirius_cli.core.profile import Profile
from sirius_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``place`` is a ``file:line``, a flag or a variable; ``key`` is dotted, or empty."""

    place: str
    key: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.problem) if part)


class FaultsError(UsageError):
    """All that is wrong with some values, on one line; ``faults`` has them apart."""

    def __init__(self, faults: Sequence[Fault], hint: str = "") -> None:
        super().__init__("; ".join(map(str, faults)), hint)
        self.faults = tuple(faults)


class ProfileError(FaultsError):
    """All that is wrong with a profile."""


def check(values: Mapping[str, object], places: Mapping[str, str], model: type[BaseModel] = Profile) -> list[Fault]:
    """The faults of ``values`` (dotted key -> value) as a ``model``, each at its key's place. Keys must be known."""
    try:
        model.model_validate(nest(values))
    except ValidationError as error:
        return [_fault(detail, places) for detail in error.errors()]
    return []


def nest(values: Mapping[str, object]) -> dict[str, Any]:
    """``{"draft.keep": 0.5}`` becomes ``{"draft": {"keep": 0.5}}``."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section, dot, name = key.partition(".")
        if dot:
            nested.setdefault(section, {})[name] = value
        else:
            nested[key] = value
    return nested


def _fault(detail: ErrorDetails, places: Mapping[str, str]) -> Fault:
    key = ".".join(map(str, detail["loc"]))
    wanted = detail["msg"].replace("Input should be", "must be")
    return Fault(places[key], key, f"{wanted}, not {_shown(detail['input'])}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
