"""An engine that says a scripted answer with a scripted correction: no model, no torch, the same events every time."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Finished,
    FinishReason,
    Loaded,
    Origin,
    Prefilled,
    StepEvent,
)
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.errors import ModelError

# Word 3 of every window of four is a correction, so that every answer of four words and more has one.
WORDS = ("Four", " legs", " good", " two", " legs", " better")
WINDOW = 4


class FakeTokens:
    """A word is a token; its id is its place in the list of words seen."""

    def __init__(self, *, has_chat_template: bool = True) -> None:
        self.has_chat_template = has_chat_template
        self.words: list[str] = []
        self.chats: list[list[dict[str, str]]] = []

    def id_of(self, word: str) -> int:
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)

    def encode(self, text: str, *, special: bool) -> list[int]:
        return [self.id_of(word) for word in (["<s>"] if special else []) + text.split(" ")]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.words[i] for i in ids)

    def chat(self, messages: list[dict[str, str]]) -> list[int]:
        self.chats.append([dict(message) for message in messages])
        return self.encode(" ".join(f"<{message['role']}> {message['content']}" for message in messages), special=True)


@dataclass
class FakeEngine:
    """``before_window`` may dawdle, ``problem`` is what the first window raises."""

    words: Sequence[str] = WORDS
    before_window: Callable[[], None] = lambda: None
    problem: BaseException | None = None
    context: int = 1000
    profile: Profile = field(default_factory=Profile)
    tokens: FakeTokens = field(default_factory=FakeTokens)
    requests: list[GenerationRequest] = field(default_factory=list)
    closed_early: bool = False
    loaded: Loaded = field(
        default_factory=lambda: Loaded("fake", "cpu", "float32", 1_000_000, 0.5, {"mlp": "reference"})
    )

    def dense_step_ms(self) -> float:
        return 10.0

    def twin(self, profile: Profile) -> "FakeEngine":
        return replace(self, profile=profile, requests=[])

    def generate(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[StepEvent, None, None]:
        self.requests.append(request)
        if len(request.prompt_ids) > self.context:
            raise ModelError(
                f"the prompt has {len(request.prompt_ids)} tokens, the context only {self.context}",
                "shorten the prompt",
            )
        try:
            yield from self._events(request)
        except GeneratorExit:
            self.closed_early = True
            raise

    def _events(self, request: GenerationRequest) -> Generator[StepEvent, None, None]:
        words = self.words[: request.max_new_tokens]
        yield Prefilled(0, 0.1, len(request.prompt_ids), 0, 0.1)
        yield Committed(0, 0.1, 0, (self._token(words[0], "prefill"),))
        at = 0.1
        for number, start in enumerate(range(1, len(words), WINDOW), start=1):
            self.before_window()
            if self.problem is not None:
                raise self.problem
            at += 0.1
            yield from self._window(number, at, words[start : start + WINDOW])
        reason: FinishReason = "length" if len(words) == request.max_new_tokens else "stop"
        yield Finished(0, at, reason, "")

    def _window(self, number: int, at: float, words: Sequence[str]) -> Generator[StepEvent, None, None]:
        drafts = tuple(self.tokens.id_of(word + "?") for word in words)
        texts = tuple(word + "?" for word in words)
        yield Drafted(0, at, number, drafts, texts, (0.5,) * len(words), 0.5, 0.5, 0.05)
        yield Checked(0, at, number, len(words), len(words) - 1, len(words) < WINDOW, 0.05)
        last: Origin = "correction" if len(words) > 2 else "bonus"
        tokens = [self._token(word, "draft") for word in words[:-1]] + [self._token(words[-1], last)]
        yield Committed(0, at, number, tuple(tokens))

    def _token(self, word: str, origin: Origin) -> CommittedToken:
        if origin != "correction":
            return CommittedToken(self.tokens.id_of(word), word, origin, 0.9)
        draft = word + "?"
        return CommittedToken(self.tokens.id_of(word), word, origin, 0.8, self.tokens.id_of(draft), draft, 0.05)
