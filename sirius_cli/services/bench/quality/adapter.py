"""The engine as a model of lm-eval: what has been answered before comes from the store, the rest from the engine."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from time import perf_counter
from typing import Any, Protocol

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from sirius_cli.core.request import SamplingSpec
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.quality.answering import Engine, Job, answer_all, shared_prefix
from sirius_cli.services.bench.quality.samples import Sample, SampleStore, Scored, Written

_USUAL_LENGTH = 256  # tokens of an answer where a task does not say, as in lm-eval


class Listener(Protocol):
    """Hears what the model is asked and answers."""

    def expect(self, requests: int) -> None:
        """So many requests follow."""

    def hear(self, request: Instance, sample: Sample, *, known: bool) -> None:
        """``request`` came to ``sample``; ``known`` says that the store had it."""


class SiriusLM(TemplateLM):
    """Answers lm-eval's requests by ``engine`` as its profile says, ``batch`` side by side (None: as many as pay).

    Decoding with a check scores given texts as the dense model does; a draft alone scores them sparsely. ``listener``
    hears of every request, of those found in the store first.
    """

    def __init__(
        self,
        engine: Engine,
        store: SampleStore,
        *,
        batch: int | None,
        listener: Listener,
        max_new_tokens: int | None = None,
        seed: int = 0,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        super().__init__()
        self._engine, self._store = engine, store
        self._batch, self._listener = batch, listener
        self._max_new_tokens, self._seed = max_new_tokens, seed
        self._clock = clock

    @property
    def eot_token_id(self) -> int:
        """The first of the ids that end a text; 0 where there is none."""
        return min(self._engine.tokens.eos_ids, default=0)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text that has no beginning: the model's first token, else one that ends texts."""
        return next(iter(self._engine.tokens.encode_prompt("")), self.eot_token_id)

    @property
    def tokenizer_name(self) -> str:
        """See lm-eval; prompts are kept apart by it."""
        return str(self._engine.loaded.model)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **more: Any) -> list[int]:
        """The ids of ``string``; with the model's first token unless told otherwise or it is there already."""
        tokens = self._engine.tokens
        ids: list[int] = (
            tokens.encode(string, special=False) if add_special_tokens is False else tokens.encode_prompt(string)
        )
        return ids

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The prompt's text for a conversation. Raises UsageError where an answer is begun for the model."""
        if not add_generation_prompt:
            message = "this task begins the answer for the model, which chat templates cannot do here"
            raise UsageError(message, "leave out --apply-chat-template")
        return str(self._engine.tokens.render(chat_history))

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """See lm-eval."""
        keys = self._keys(requests)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._store}
        jobs = [self._job(key, *request.args) for key, request in missing.items()]

        def keep(sample: Written) -> None:
            self._keep(missing[sample.key], sample)

        answer_all(self._engine, jobs, batch=self._batch, tell=keep, clock=self._clock)
        return [self._written(key).text for key in keys]

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """See lm-eval."""
        keys = self._keys(requests)
        pairs = {key: self._pair(*request.args) for key, request in zip(keys, requests, strict=True)}
        self._score(pairs, dict(zip(keys, requests, strict=True)))
        return [(self._scored(key).logprob, self._scored(key).greedy) for key in keys]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """See lm-eval. A long text is scored in stretches, each behind as much of it as the context holds."""
        keys = self._keys(requests)
        for key, request in zip(keys, requests, strict=True):
            if key not in self._store:
                sample = self._roll(key, *request.args)
                self._keep(request, sample)
        return [self._scored(key).logprob for key in keys]

    def _loglikelihood_tokens(self, requests: Any, **more: Any) -> Any:
        raise NotImplementedError("loglikelihood does it all")

    def _job(self, key: str, context: str, settings: dict[str, Any]) -> Job:
        kwargs = normalize_gen_kwargs(settings, _USUAL_LENGTH)
        temperature = float(kwargs.get("temperature") or 0.0) if kwargs.get("do_sample") else 0.0
        return Job(
            key=key,
            prompt_ids=tuple(self.tok_encode(context)),
            max_new_tokens=self._max_new_tokens or int(kwargs["max_gen_toks"]),
            stop=tuple(stop for stop in kwargs["until"] if stop),
            sampling=SamplingSpec(
                temperature=temperature,
                top_p=float(kwargs.get("top_p") or 1.0),
                top_k=int(kwargs.get("top_k") or 0),
                seed=_seed(self._seed, key),
            ),
        )

    def _pair(self, context: str, continuation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids of both. Where the context is empty, a first token stands for it."""
        if context:
            left, right = self._encode_pair(context, continuation)
        else:
            ids = self.tok_encode(continuation, add_special_tokens=False)
            begins = ids[:1] == [self.prefix_token_id]
            left, right = (ids[:1], ids[1:]) if begins else ([self.prefix_token_id], ids)
        return tuple(left), tuple(right)

    def _score(self, pairs: dict[str, tuple[tuple[int, ...], tuple[int, ...]]], requests: dict[str, Instance]) -> None:
        """Score what is missing, the continuations of one context together."""
        contexts: dict[tuple[int, ...], list[str]] = {}
        for key, (left, _) in pairs.items():
            if key not in self._store:
                contexts.setdefault(left, []).append(key)
        prefix = shared_prefix(list(contexts))
        for context, keys in contexts.items():
            for sample in self._score_one(context, {key: pairs[key][1] for key in keys}, prefix):
                self._keep(requests[sample.key], sample)

    def _score_one(
        self, context: tuple[int, ...], continuations: dict[str, tuple[int, ...]], prefix: tuple[int, ...]
    ) -> Iterator[Scored]:
        room = self._engine.context - max(map(len, continuations.values())) - 1
        fitting = context[-max(room, 1) :]
        began = self._clock()
        shared = prefix if fitting[: len(prefix)] == prefix and len(fitting) > len(prefix) else ()
        scores = self._engine.score(fitting, list(continuations.values()), prefix=shared)
        seconds = (self._clock() - began) / len(scores)
        for key, score in zip(continuations, scores, strict=True):
            yield Scored(key, score.logprob, score.greedy, len(fitting) < len(context), seconds)

    def _roll(self, key: str, text: str) -> Scored:
        began = self._clock()
        ids = self.tok_encode(text, add_special_tokens=False)
        windows = get_rolling_token_windows(
            token_list=ids, prefix_token=self.prefix_token_id, max_seq_len=self._engine.context - 2, context_len=1
        )
        scores = [
            score for left, right in map(make_disjoint_window, windows) for score in self._engine.score(left, [right])
        ]
        total, greedy = sum(score.logprob for score in scores), all(score.greedy for score in scores)
        return Scored(key, total, greedy, truncated=False, seconds=self._clock() - began)

    def _keys(self, requests: Sequence[Instance]) -> list[str]:
        """The names of ``requests`` in the store. Those that it has are told at once."""
        keys = _keys(requests)
        self._listener.expect(len(keys))
        for key, request in zip(keys, requests, strict=True):
            if key in self._store:
                self._listener.hear(request, self._store[key], known=True)
        return keys

    def _keep(self, request: Instance, sample: Sample) -> None:
        self._store.add(sample)
        self._listener.hear(request, sample, known=False)

    def _written(self, key: str) -> Written:
        sample = self._store[key]
        assert isinstance(sample, Written)
        return sample

    def _scored(self, key: str) -> Scored:
        sample = self._store[key]
        assert isinstance(sample, Scored)
        return sample


def key_of(request_type: str, arguments: Sequence[Any]) -> str:
    """The name of a request in the store: what is asked, and nothing else."""
    asked = json.dumps([request_type, *arguments], sort_keys=True, default=str)
    return sha256(asked.encode(errors="surrogatepass")).hexdigest()[:32]


def _keys(requests: Sequence[Instance]) -> list[str]:
    """A key for each request; one that is asked again gets a number, since a sampled answer may differ."""
    seen: Counter[str] = Counter()
    keys = []
    for request in requests:
        key = key_of(request.request_type, request.args)
        keys.append(f"{key}-{seen[key]}" if seen[key] else key)
        seen[key] += 1
    return keys


def _seed(seed: int, key: str) -> int:
    """A seed for each request, so that a resumed run draws what an undisturbed one does."""
    return int(sha256(f"{seed} {key}".encode()).hexdigest()[:12], 16)
