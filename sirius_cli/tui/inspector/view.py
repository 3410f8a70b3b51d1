"""What the inspector shows at a moment: which answers, which of their corrections, in which order. Plain data."""

import shlex
from dataclasses import dataclass

from sirius_cli.errors import UsageError
from sirius_cli.services.inspection.facts import Correction, Inspection, Request
from sirius_cli.services.inspection.selection import select


@dataclass(frozen=True, slots=True)
class Scope:
    """All runs, one run, or one answer of a run."""

    run: str | None = None
    request: int | None = None

    def holds(self, request: Request) -> bool:
        """Whether ``request`` is in it."""
        return self.run in (None, request.run) and self.request in (None, request.number)

    def __str__(self) -> str:
        if self.run is None:
            return "all runs"
        return self.run if self.request is None else f"{self.run}, answer {self.request}"


@dataclass(frozen=True, slots=True)
class View:
    """``conditions`` are as ``--filter`` takes them, ``sort`` as ``--sort``; None is the order of the text."""

    inspection: Inspection
    scope: Scope = Scope()
    conditions: tuple[str, ...] = ()
    sort: str | None = None

    @property
    def requests(self) -> tuple[Request, ...]:
        """The answers in the scope."""
        return tuple(request for request in self.inspection.requests if self.scope.holds(request))

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """The corrections to list."""
        found = (correction for request in self.requests for correction in request.corrections)
        return select(found, self.conditions, self.sort)

    def request_of(self, correction: Correction) -> Request:
        """The answer in which ``correction`` stands."""
        place = (correction.run, correction.request)
        return next(request for request in self.inspection.requests if (request.run, request.number) == place)


def parse_conditions(text: str) -> tuple[str, ...]:
    """The conditions of a line, apart by blanks; quotes hold one together.

    Raises:
        UsageError: if one cannot be understood.
    """
    try:
        conditions = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"the filter {text!r} has a quote that does not end") from error
    select((), conditions)
    return conditions


def step(corrections: tuple[Correction, ...], current: Correction | None, by: int) -> Correction | None:
    """The next (``by`` 1) or previous (-1) of ``corrections`` in the order of the text, round and round."""
    ordered = sorted(corrections, key=lambda c: (c.run, c.request, c.index))
    if not ordered:
        return None
    if current not in ordered:
        return ordered[0 if by > 0 else -1]
    return ordered[(ordered.index(current) + by) % len(ordered)]
