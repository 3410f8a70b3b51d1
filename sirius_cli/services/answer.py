"""What one generation came to: a pure fold over its events, and its JSON form."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sirius_cli.core.events import Committed, CommittedToken, Finished, Prefilled, StepEvent
from sirius_cli.core.metrics import Metrics, fold

if TYPE_CHECKING:
    from sirius_cli.core.profile import Profile

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer."""

    prompt_tokens: int
    text: str
    tokens: tuple[CommittedToken, ...]
    finish_reason: str
    metrics: Metrics


def collect(events: Sequence[StepEvent], dense_step_ms: float | None = None) -> Answer:
    """Fold the events of one request; ``dense_step_ms`` is what a check's cost is compared with."""
    return Answer(
        prompt_tokens=sum(event.prompt_tokens for event in events if isinstance(event, Prefilled)),
        text="".join(map(text_of, events)),
        tokens=tuple(token for event in events if isinstance(event, Committed) for token in event.tokens),
        finish_reason=next((event.reason for event in events if isinstance(event, Finished)), "cancelled"),
        metrics=fold(events, dense_step_ms=dense_step_ms),
    )


def to_json(answer: Answer, *, model: str, profile: "Profile", decode: Callable[[list[int]], str]) -> dict[str, Any]:
    """The document of ``--json``. ``decode`` turns token ids into text."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "profile": profile.model_dump(mode="json"),
        "prompt_tokens": answer.prompt_tokens,
        "text": answer.text,
        "token_ids": [token.token_id for token in answer.tokens],
        "finish_reason": answer.finish_reason,
        "corrections": list(_corrections(answer.tokens, decode)),
        "metrics": metrics_to_json(answer.metrics),
    }


def text_of(event: StepEvent) -> str:
    """The part of the answer that ``event`` released."""
    if isinstance(event, Committed):
        return "".join(token.text for token in event.tokens)
    return event.tail if isinstance(event, Finished) else ""


def metrics_to_json(metrics: Metrics) -> dict[str, Any]:
    """The summary figures, without the distribution of advances."""
    return {name: value for name, value in asdict(metrics).items() if name != "advances"}


def _corrections(tokens: Sequence[CommittedToken], decode: Callable[[list[int]], str]) -> Iterator[dict[str, Any]]:
    for index, token in enumerate(tokens):
        if token.origin == "correction":
            yield {
                "index": index,
                "draft_id": token.draft_id,
                "draft_text": token.draft_text,
                "token_id": token.token_id,
                "text": decode([token.token_id]),
                "p_draft": token.p_draft,
                "p_token": token.p,
            }
