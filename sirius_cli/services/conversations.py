"""Conversations kept on disk as they go. A kill loses the answer in the making and nothing else."""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sirius_cli.config import locations
from sirius_cli.core.events import Committed, CommittedToken, StepEvent
from sirius_cli.core.safe_text import one_line
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services import conversation_file
from sirius_cli.services.answer import collect
from sirius_cli.services.conversation_file import Conversation, ConversationHeader, KeptCorrection, Turn

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """``title`` is the first prompt on one line, fit to be shown."""

    header: ConversationHeader
    title: str


@dataclass(slots=True)
class Conversations:
    """All that are kept in ``folder``."""

    folder: Path = field(default_factory=lambda: locations.home() / "conversations")

    def list(self) -> "list[ListedConversation]":
        """Newest first, by the last change. What cannot be read is left out."""
        listed = (_listed(path) for path in self._files())
        return [conversation for conversation in listed if conversation is not None]

    def newest(self) -> Conversation | None:
        """The conversation that was changed last, if there is one."""
        listed = self.list()
        return self.load(listed[0].header.id) if listed else None

    def load(self, conversation: str) -> Conversation:
        """The conversation of this id.

        Raises:
            UsageError: there is none.
            ModelError: its file is not readable, or of a newer schema.
        """
        return conversation_file.read(self._existing(conversation))

    def create(self, header: ConversationHeader, first: Turn) -> None:
        """Begin the file of a new conversation. Raises EnvironmentProblem where that is not possible."""
        with self._explained():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            conversation_file.create(self._path(header.id), header, first)

    def append(self, conversation: str, turn: Turn) -> None:
        """Add ``turn`` to the conversation of this id.

        Raises:
            UsageError: there is none.
            EnvironmentProblem: it cannot be written.
        """
        path = self._existing(conversation)
        with self._explained():
            conversation_file.append(path, turn)

    def take_back(self, conversation: str) -> None:
        """Undo the last turn. Raises as :meth:`append`."""
        path = self._existing(conversation)
        with self._explained():
            conversation_file.take_back(path)

    def remove(self, conversation: str) -> None:
        """Delete it. Raises as :meth:`append`."""
        path = self._existing(conversation)
        with self._explained():
            path.unlink()

    def _files(self) -> Iterator[Path]:
        dated = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):  # removed meanwhile
                dated.append((path.stat().st_mtime_ns, path))
        return (path for _, path in sorted(dated, reverse=True) if _ID.fullmatch(path.stem))

    def _path(self, conversation: str) -> Path:
        return self.folder / f"{conversation}{_SUFFIX}"

    def _existing(self, conversation: str) -> Path:
        path = self._path(conversation)
        if not _ID.fullmatch(conversation) or not path.is_file():
            raise UsageError(f"there is no conversation {conversation!r}", f"look into {self.folder}")
        return path

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"cannot save conversations in {self.folder}: {error.strerror}"
            raise EnvironmentProblem(message, "give a folder you may write to in SIRIUS_HOME") from error


class Keeper:
    """Keeps the conversation that is going on. Its file begins with its first answer.

    The first failure to write is raised; from then on nothing is kept, for a file with a gap would be no conversation.
    """

    def __init__(self, store: Conversations, model: str, profile: str, going_on: str | None = None) -> None:
        self._store = store
        self._model = model
        self._profile = profile
        self._id = going_on
        self._able = True

    @property
    def id(self) -> str | None:
        """The conversation that is going on, once it has a file."""
        return self._id

    def keep(self, prompt: str, events: Iterable[StepEvent], dense_step_ms: float | None = None) -> None:
        """Append one exchange. Raises EnvironmentProblem, once."""
        if not self._able:
            return
        turn = turn_of(prompt, tuple(events), dense_step_ms)
        with self._giving_up():
            if self._id is None:
                header = new_header(self._model, self._profile)
                self._store.create(header, turn)
                self._id = header.id
            else:
                self._store.append(self._id, turn)

    def take_back(self) -> None:
        """Undo the last exchange. Raises EnvironmentProblem, once."""
        if self._able and self._id is not None:
            with self._giving_up():
                self._store.take_back(self._id)

    def begin_anew(self) -> None:
        """What comes next is another conversation."""
        self._id = None

    def go_on(self, conversation: str) -> None:
        """What comes next belongs to the conversation of this id."""
        self._id = conversation

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except (EnvironmentProblem, UsageError) as error:
            self._able = False
            raise EnvironmentProblem(error.message, error.hint) from error


def new_header(model: str, profile: str) -> ConversationHeader:
    """The header of a conversation that begins now."""
    now = datetime.now(UTC)
    return ConversationHeader(
        f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}", now.isoformat(timespec="seconds"), model, profile
    )


def turn_of(prompt: str, events: Sequence[StepEvent], dense_step_ms: float | None = None) -> Turn:
    """What is kept of an answer; ``events`` are all of its."""
    answer = collect(events, dense_step_ms)
    return Turn(prompt, answer.text, answer.finish_reason, tuple(_corrections(events)), answer.metrics)


def _corrections(events: Sequence[StepEvent]) -> Iterator[KeptCorrection]:
    index = offset = 0
    for committed in (event for event in events if isinstance(event, Committed)):
        for token in committed.tokens:
            if token.origin == "correction":
                yield _correction(token, index, offset, committed.window)
            index += 1
            offset += len(token.text)


def _correction(token: CommittedToken, index: int, offset: int, window: int) -> KeptCorrection:
    wanted, p_draft = token.draft_text or "", token.p_draft or 0.0
    return KeptCorrection(index, offset, window, token.text, wanted, token.p, p_draft, token.entropy)


def _listed(path: Path) -> ListedConversation | None:
    try:
        header, prompt = conversation_file.read_opening(path)
    except ModelError:
        return None
    return ListedConversation(header, one_line(prompt))
