"""Kept conversations, as the dashboard needs them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sirius_cli.core.events import StepEvent
from sirius_cli.services.conversations import Conversations, Keeper, ListedConversation


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation that can be gone on with; ``about`` says when it was and what with."""

    id: str
    title: str
    about: str


class Shelf:
    """Keeps conversations as they go. Every method raises SiriusError where files fail it."""

    def __init__(self, store: Conversations, keeper: Keeper) -> None:
        self._store = store
        self._keeper = keeper

    def keep(self, prompt: str, events: Iterable[StepEvent], dense_step_ms: float | None) -> None:
        """Append one exchange to the present conversation."""
        self._keeper.keep(prompt, events, dense_step_ms)

    def take_back(self) -> None:
        """Undo the last exchange."""
        self._keeper.take_back()

    def begin_anew(self) -> None:
        """What is kept next begins another conversation."""
        self._keeper.begin_anew()

    def all(self) -> Sequence[Kept]:
        """All conversations, the newest first."""
        return [_kept(listed) for listed in self._store.list()]

    def resume(self, id: str) -> Sequence[tuple[str, str]]:
        """The prompts and answers of a conversation, to which is appended from now on."""
        turns = self._store.load(id).turns
        self._keeper.go_on(id)
        return [(turn.prompt, turn.answer) for turn in turns]


def _kept(listed: ListedConversation) -> Kept:
    header = listed.header
    return Kept(header.id, listed.title, f"{header.created[:16].replace('T', ' ')}  {header.model}  {header.profile}")
