"""An engine whose answers follow from their prompts: no model, no torch. Tokens are bytes."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sirius_cli.core.events import Checked, Committed, CommittedToken, Drafted, Finished, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.drafts.policy import StepCost
from sirius_cli.engine.scoring import Score


class ByteTokens:
    """Every byte is a token."""

    eos_ids = frozenset({0})

    def encode(self, text: str, *, special: bool) -> list[int]:
        return list(text.encode(errors="surrogatepass"))

    def encode_prompt(self, text: str) -> list[int]:
        return self.encode(text, special=True)

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        return "".join(f"<{one['role']}>{one['content']}" for one in messages) + "<assistant>"


@dataclass
class FakeEngine:
    """Writes "#### N" for a prompt, N from its bytes; a draft alone gets every third wrong. ``calls`` are its batches.

    ``before_finish`` is called with the number of answers that have been finished, before each.
    """

    profile: Profile = field(default_factory=Profile)
    context: int = 4000
    calls: list[tuple[int, int]] = field(default_factory=list)
    finished: list[int] = field(default_factory=lambda: [0])
    before_finish: Any = None
    tokens: ByteTokens = field(default_factory=ByteTokens)
    loaded: Loaded = field(default_factory=lambda: Loaded("fake", "cpu", "float32", 1, 0.0, {}))

    @property
    def draft_cost(self) -> StepCost | None:
        return None if self.profile.draft.method == "dense" else StepCost(0.7, 0.6)

    def twin(self, profile: Profile) -> "FakeEngine":
        return FakeEngine(
            profile, self.context, self.calls, self.finished, self.before_finish, self.tokens, self.loaded
        )

    def generate_batch(
        self, requests: Sequence[GenerationRequest], *, prefix: Sequence[int] = (), places: int | None = None
    ) -> Generator[StepEvent, None, None]:
        self.calls.append((len(requests), len(prefix)))
        for request in requests:
            assert request.prompt_ids[: len(prefix)] == tuple(prefix)
        texts = [self.answer_to(bytes(request.prompt_ids)) for request in requests]
        waiting, at_work = list(range(len(texts))), list[int]()
        while waiting or at_work:
            if waiting and len(at_work) < (places or len(texts)):
                row = waiting.pop(0)
                at_work.append(row)
                yield Prefilled(row, 0.1, len(requests[row].prompt_ids), len(prefix), 0.1)
                continue
            row = min(at_work, key=lambda row: len(texts[row]))
            at_work.remove(row)
            yield from self._write(row, texts[row])
            if self.before_finish is not None:
                self.before_finish(self.finished[0])
            self.finished[0] += 1
            yield Finished(row, 1.0, "stop", "")

    def score(
        self, context: Sequence[int], continuations: Sequence[Sequence[int]], *, prefix: Sequence[int] = ()
    ) -> list[Score]:
        assert tuple(context[: len(prefix)]) == tuple(prefix)
        self.calls.append((len(continuations), len(prefix)))
        return [Score(-float(len(ids)), len(ids) < 3) for ids in continuations]

    def answer_to(self, prompt: bytes) -> str:
        """What is written for ``prompt``."""
        number = int(sha256(prompt).hexdigest()[:4], 16)
        alone = self.profile.draft.method != "dense" and not self.profile.corrects
        return f" so it is #### {number if not (alone and number % 3 == 0) else number + 1}"

    def _write(self, row: int, text: str) -> Generator[StepEvent, None, None]:
        ids = list(text.encode())
        yield Committed(row, 0.2, 0, (_token(ids[0], "prefill"),))
        drafts = self.profile.draft.method != "dense"
        width = 4 if drafts else 1
        for window, start in enumerate(range(1, len(ids), width), start=1):
            part = ids[start : start + width]
            if drafts:
                yield Drafted(
                    row,
                    0.3,
                    window,
                    tuple(part[:-1]),
                    ("x",) * (len(part) - 1),
                    (0.9,) * (len(part) - 1),
                    0.7,
                    1.0,
                    0.01,
                )
            if self.profile.corrects or not drafts:
                yield Checked(row, 0.4, window, len(part) - 1, len(part) - 1, False, 0.02)
            yield Committed(row, 0.4, window, tuple(_token(id_, "draft" if drafts else "dense") for id_ in part))


def _token(id_: int, origin: Any) -> CommittedToken:
    return CommittedToken(id_, chr(id_), origin, 0.9)
