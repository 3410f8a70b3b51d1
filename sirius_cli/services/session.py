"""A conversation with one model: loads the engine, keeps the messages, turns prompts into requests."""

import math
import re
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from sirius_cli.core.events import Checked, Committed, Drafted, Failed, Finished, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest, SamplingSpec
from sirius_cli.errors import ModelError, UsageError
from sirius_cli.services.answer import text_of
from sirius_cli.services.draft_copies import StoredCopies
from sirius_cli.services.progress import Progress, silent

if TYPE_CHECKING:
    from sirius_cli.services.models import ResolvedModel

Events = Generator[StepEvent, None, None]
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_DTYPES = ("auto", "float32", "bfloat16", "float16")


class Tokens(Protocol):
    """The part of the engine's tokenizer that a conversation needs."""

    @property
    def has_chat_template(self) -> bool: ...
    def encode(self, text: str, *, special: bool) -> list[int]: ...
    def decode(self, ids: list[int]) -> str: ...
    def chat(self, messages: list[dict[str, str]]) -> list[int]: ...


class Engine(Protocol):
    """The part of the engine that a conversation needs."""

    profile: Profile

    @property
    def loaded(self) -> Loaded: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def context(self) -> int: ...
    def twin(self, profile: Profile) -> "Engine": ...
    def generate(self, request: GenerationRequest, cancelled: Callable[[], bool]) -> Events: ...
    def dense_step_ms(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model to run, and where."""

    model: str
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        _require(bool(_DEVICE.fullmatch(self.device)), "device", self.device, "give auto, cpu, cuda or cuda:N")
        _require(self.dtype in _DTYPES, "dtype", self.dtype, f"give {', '.join(_DTYPES)}")
        _require(self.threads is None or self.threads >= 1, "threads", self.threads, "give 1 or more")


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """How every answer of a conversation is made. ``raw`` sends prompts without a chat template."""

    max_new_tokens: int = 512
    sampling: SamplingSpec = field(default_factory=SamplingSpec)
    stop: tuple[str, ...] = ()
    raw: bool = False
    system: str | None = None

    def __post_init__(self) -> None:
        sampling = self.sampling
        _require(self.max_new_tokens >= 1, "max-new-tokens", self.max_new_tokens, "give 1 or more")
        _require(0.0 <= sampling.temperature < math.inf, "temperature", sampling.temperature, "give 0 or more")
        _require(0.0 < sampling.top_p <= 1.0, "top-p", sampling.top_p, "give a number above 0 and at most 1")
        _require(sampling.top_k >= 0, "top-k", sampling.top_k, "give 0 (off) or more")
        _require(0 <= sampling.seed < 2**63, "seed", sampling.seed, "give a number from 0 to 2**63 - 1")
        _require("" not in self.stop, "stop", "''", "an empty text would stop every answer")
        if self.system and self.raw:
            raise UsageError("a raw prompt has no place for a system prompt", "leave out --system or --raw")


def _require(holds: bool, name: str, value: object, hint: str) -> None:
    if not holds:
        raise UsageError(f"{name} cannot be {value}", hint)


def check_prompt(text: str) -> None:
    """Refuse what no model can answer.

    Raises:
        UsageError: if ``text`` is blank or did not come from valid UTF-8.
    """
    if not text.strip():
        raise UsageError("the prompt is empty", "give a text as argument or on standard input")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the prompt is not valid UTF-8", f"look at character {error.start + 1}") from error


def find_model(choice: ModelChoice, progress: Progress) -> "ResolvedModel":
    """Find the model, fetching or converting it where needed.

    Raises:
        SiriusError: if there is no such model or it cannot be had.
    """
    from sirius_cli.services import models

    return models.resolve(choice.model, offline=choice.offline, progress=progress)


def load_engine(found: "ResolvedModel", choice: ModelChoice, profile: Profile, progress: Progress = silent) -> Engine:
    """Load the model. torch is imported here, after the cheap mistakes were found.

    ``progress`` is told of quantised copies that have to be made, now for ``profile`` and later for others.

    Raises:
        SiriusError: if it cannot be read or the device is missing.
    """
    from sirius_cli.engine.engine import Engine as TorchEngine

    engine = TorchEngine.load(
        found.path,
        name=found.name,
        profile=profile,
        device=choice.device,
        dtype=choice.dtype,
        threads=choice.threads,
        copies=StoredCopies(found.path, progress),
    )
    return cast(Engine, engine)


def never() -> bool:
    """Nobody asks to stop."""
    return False


class Session:
    """The messages so far and the engine that answers them."""

    def __init__(self, engine: Engine, spec: AnswerSpec) -> None:
        if not spec.raw and not engine.tokens.has_chat_template:
            raise ModelError(f"{engine.loaded.model} has no chat template", "add --raw to send the prompt as it is")
        self.engine = engine
        self.spec = spec
        self.turns: list[dict[str, str]] = []

    def ask(self, prompt: str, cancelled: Callable[[], bool] = never) -> Events:
        """Answer ``prompt`` after the conversation so far; both join it when the answer ends.

        ``cancelled`` is asked after every event, and between the parts of a long prompt. The answer then ends with
        ``Finished`` of reason ``cancelled``.

        Raises:
            SiriusError: from the engine; the conversation is then as before.
        """
        check_prompt(prompt)
        request = self._request(prompt)
        text = ""
        with closing(_until_cancelled(self.engine.generate(request, cancelled), cancelled)) as events:
            for event in events:
                text += text_of(event)
                if isinstance(event, Finished):
                    self._remember(prompt, text)
                yield event

    def clear(self) -> None:
        """Forget the conversation; the system prompt stays."""
        self.turns.clear()

    def take_back(self) -> str | None:
        """Remove the last prompt and its answer. Returns the prompt, or None if there is none."""
        if not self.turns:
            return None
        prompt = self.turns[-2]["content"]
        del self.turns[-2:]
        return prompt

    def _request(self, prompt: str) -> GenerationRequest:
        return GenerationRequest(
            prompt_ids=tuple(self._prompt_ids(prompt)),
            max_new_tokens=self.spec.max_new_tokens,
            sampling=self.spec.sampling,
            stop=self.spec.stop,
        )

    def _prompt_ids(self, prompt: str) -> list[int]:
        tokens = self.engine.tokens
        if self.spec.raw:
            return tokens.encode("".join(turn["content"] for turn in self.turns) + prompt, special=True)
        system = [{"role": "system", "content": self.spec.system}] if self.spec.system else []
        return tokens.chat([*system, *self.turns, {"role": "user", "content": prompt}])

    def _remember(self, prompt: str, answer: str) -> None:
        self.turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def _until_cancelled(events: Events, cancelled: Callable[[], bool]) -> Events:
    """Pass events on. When cancelled, close the engine's iterator and end as an answer does."""
    with closing(events):
        for event in events:
            if isinstance(event, Failed):
                raise ModelError(event.error, event.hint)
            yield event
            if isinstance(event, Prefilled | Drafted | Checked | Committed) and cancelled():
                yield Finished(row=event.row, at=event.at, reason="cancelled", tail="")
                return
