"""The engine: requests in, events out. It never prints."""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from sirius_cli.core.events import Committed, CommittedToken, Loaded, Prefilled, StepEvent
from sirius_cli.core.profile import Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.correction import CorrectionLoop
from sirius_cli.engine.device import Placement, place
from sirius_cli.engine.drafts.making import quantise
from sirius_cli.engine.drafts.policy import keeps_of
from sirius_cli.engine.drafts.quantised import CopyMaker, Drafters, expect_memory
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.loops import Loops
from sirius_cli.engine.memory import free_bytes
from sirius_cli.engine.models.counts import parameter_counts
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.models.families import read_config
from sirius_cli.engine.planning.pace import Experiences, longest_window, tree_slots
from sirius_cli.engine.prefill import prefill_chunk
from sirius_cli.engine.programmed import ProgrammedLoop
from sirius_cli.engine.random_weights import random_weights, shape_config, wordless
from sirius_cli.engine.row import Row
from sirius_cli.engine.sampling import token_probabilities
from sirius_cli.engine.scoring import Score, score_behind
from sirius_cli.engine.text import Text
from sirius_cli.engine.tokens import Tokens
from sirius_cli.engine.weights import load_weights, stored_dtype
from sirius_cli.errors import UsageError

Events = Generator[StepEvent, None, None]
_LEAST_SLOTS = 2048  # of the cache of a text that programs work on
_MOST_PLACES = 64  # more tokens in a pass make each of them hardly cheaper
_MEMORY_SHARE = 0.5  # of what is free, for texts side by side


def _never() -> bool:
    return False


def _loaded(name: str, placement: Placement, model: Decoder, start: float) -> Loaded:
    return Loaded(
        model=name,
        device=str(placement.device),
        dtype=_words(placement.dtype, model.weights.embedding.dtype),
        parameters=parameter_counts(model.config).total,
        seconds=perf_counter() - start,
        ops=placement.describe(),
    )


def _words(computed: torch.dtype, stored: torch.dtype) -> str:
    names = [str(dtype).removeprefix("torch.") for dtype in (computed, stored)]
    return names[0] if computed is stored else f"{names[0]}, weights {names[1]}"


class Engine(Loops):
    """One model in memory. ``profile`` may be changed between generations.

    ``masked`` runs drafts through the masked oracle instead of skipping weights: same tokens, no gain; for proofs.
    ``programs`` runs windows or passes of a text as single programs, which a GPU replays.
    """

    def __init__(
        self,
        model: Decoder,
        tokens: Tokens,
        profile: Profile,
        loaded: Loaded,
        placement: Placement,
        drafters: Drafters | None = None,
        experiences: Experiences | None = None,
    ) -> None:
        self.model = model
        self.drafters = drafters or Drafters(model, quantise)
        self._experiences = experiences or Experiences()
        self.tokens = tokens
        self.profile = profile
        self.loaded = loaded
        self.masked = False
        self.context = model.config.max_positions
        self.counts = parameter_counts(model.config)
        self._placement = placement
        self.programs = placement.device.type == "cuda"
        self._recorded: CorrectionLoop | None = None
        self._made_for: tuple[Profile, bool] | None = None
        self._text: Text | None = None
        self._prefix: Text | None = None

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        name: str,
        profile: Profile,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        copies: CopyMaker = quantise,
    ) -> "Engine":
        """Load the model of ``folder`` (config.json, safetensors, tokenizer).

        ``copies`` makes the quantised copies of the weights that drafts read, the one of ``profile`` at once. Raises
        ``ModelError`` for what is broken or unsupported, ``EnvironmentProblem`` for a device that is not there or too
        small, ``UsageError`` for a draft that the model or the device cannot have.
        """
        start = perf_counter()
        placement = place(device, dtype, threads)
        config = read_config(folder)
        keeps_of(profile.draft, len(config.layers))
        stored = stored_dtype(folder, config) if placement.kept else None
        matrices = stored if stored in placement.kept else placement.dtype
        expect_memory(parameter_counts(config), profile.draft, matrices.itemsize, placement.device)
        weights = load_weights(folder, config, dtype=placement.dtype, matrices=matrices, device=placement.device)
        model = Decoder(config, weights, placement.ops)
        drafters = Drafters(model, copies)
        drafters.of(profile.draft)
        loaded = _loaded(name, placement, model, start)
        return cls(model, Tokens.load(folder), profile, loaded, placement, drafters)

    @classmethod
    def load_random(
        cls,
        shape: Mapping[str, Any],
        *,
        name: str,
        profile: Profile,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> "Engine":
        """A model of the shape of a transformers config, its weights random: for latencies. It has no words.

        Raises ``EnvironmentProblem`` for a device that is not there or too small.
        """
        start = perf_counter()
        placement = place(device, dtype, threads)
        config = shape_config(shape)
        weights = random_weights(config, name, dtype=placement.dtype, device=placement.device)
        model = Decoder(config, weights, placement.ops)
        return cls(model, wordless(), profile, _loaded(name, placement, model, start), placement)

    def twin(self, profile: Profile) -> "Engine":
        """Another engine over the same weights and with the same experience, with its own text and ``profile``."""
        placement, experiences = self._placement, self._experiences
        return Engine(self.model, self.tokens, profile, self.loaded, placement, self.drafters, experiences)

    def forget(self) -> None:
        """Forget the last text, so that the next prompt is read from its beginning; what was recorded is kept."""
        if self._text is not None:
            self._text.return_to(0)

    def generate(self, request: GenerationRequest, cancelled: Callable[[], bool] = _never) -> Events:
        """Answer one request; closing the iterator cancels it.

        ``cancelled`` is asked before every chunk of the prompt, during which no event happens.
        The KV of a prefix shared with the previous call is used again. Raises ``UsageError`` for a prompt that is
        empty or does not fit the context.
        """
        row = self._row(0, request)
        text = self._text_for(row)
        self._text = None  # nothing half-made is left if this is abandoned during the prefill
        began = perf_counter()
        loop = self._loop_of(row, text, began)
        yield from self._prefill(row, loop, len(text.ids), cancelled)
        if len(row.ids) == len(request.prompt_ids):
            yield row.finished(perf_counter() - began)
            return
        text.ids = list(row.request.prompt_ids)
        text.snapshot()
        self._text = text
        try:
            while loop.rows:
                yield from loop.step()
        finally:
            self._remember(text, row, loop)

    def generate_batch(
        self, requests: Sequence[GenerationRequest], *, prefix: Sequence[int] = (), places: int | None = None
    ) -> Events:
        """Answer several requests, up to ``places`` of them side by side (None: as many as pay and fit into memory).

        Events carry a request's number as ``row``. One that finishes leaves its place to the next. All prompts begin
        with ``prefix`` and go on behind it; it is read once, and kept for the next call that names the same. Drafts
        of several rows are computed through masks, and count as reading every weight.
        """
        waiting = deque(self._row(index, request) for index, request in enumerate(requests))
        if not waiting:
            return
        longest = max(len(row.ids) + row.room for row in waiting)
        count = 1 if self.profile.trees else min(places or self._places(longest), len(waiting))
        cache = self._cache(count, longest + self._beside)
        loop = self._loop(cache, self._statistic(count), perf_counter(), texts=len(waiting))
        while waiting or loop.rows:
            free = set(range(count)).difference(row.place for row in loop.rows)
            if waiting and free:
                row = waiting.popleft()
                row.place = min(free)
                self._begin(row, prefix, loop.cache, loop.statistic)
                yield from self._prefill(row, loop, len(prefix))
            else:
                yield from loop.step()

    @torch.inference_mode()
    def score(
        self, context: Sequence[int], continuations: Sequence[Sequence[int]], *, prefix: Sequence[int] = ()
    ) -> list[Score]:
        """How likely each of ``continuations`` is behind ``context``, which begins with ``prefix`` as for a batch.

        Decoding with a check scores as the dense model; a draft without one reads the context densely, as an answer
        does, and the continuations sparsely. Raises ``UsageError`` for a context that is empty, or too long for the
        continuations to follow.
        """
        longest = max(map(len, continuations), default=0)
        if len(context) + longest > self.context:
            raise UsageError(
                f"{len(context)} + {longest} tokens do not fit the context of {self.loaded.model}, {self.context}",
                "shorten the text or choose a model with a longer context",
            )
        row = self._row(0, GenerationRequest(tuple(context), max_new_tokens=longest + 1))
        cache, statistic = self._cache(1, len(context) + longest), self._statistic(1)
        self._begin(row, prefix, cache, statistic)
        first = self._read(row, cache, statistic)
        mlp = self._policy(statistic, 1, masked=True) if self._sparse_alone else None
        if mlp is not None:
            mlp.begin(row.place)
        model = self.model if mlp is None else self.drafters.of(self.profile.draft)
        return [score_behind(model, cache, first, ids, mlp or dense_mlp) for ids in continuations]

    def _prefill(self, row: Row, loop: CorrectionLoop, reused: int, cancelled: Callable[[], bool] = _never) -> Events:
        """Read the prompt of ``row``, choose its first token, and let it join ``loop`` unless that was all."""
        start, logits = perf_counter(), None
        while logits is None and not cancelled():
            logits = prefill_chunk(self.model, loop.cache, row, loop.statistic)
        if logits is None:
            return
        now = perf_counter()
        yield Prefilled(row.index, now - loop.began, len(row.ids), reused, now - start)
        loop.prepare(row, longest_window(self.profile))
        yield self._first_token(row, logits, loop.began)
        if row.live:
            loop.join(row)
        else:
            yield row.finished(perf_counter() - loop.began)

    def _first_token(self, row: Row, logits: torch.Tensor, began: float) -> Committed:
        token, _ = row.chooser.choose(logits)
        p = token_probabilities(logits[None], [token])[0]
        return row.commit([CommittedToken(token, "", "prefill", p)], perf_counter() - began)

    def _begin(self, row: Row, prefix: Sequence[int], cache: KVCache, statistic: NeuronStatistic | None) -> None:
        """Make the place of ``row`` hold ``prefix``, with which it begins, and nothing else."""
        if prefix and (tuple(row.ids[: len(prefix)]) != tuple(prefix) or len(row.ids) == len(prefix)):
            raise ValueError("a prompt does not go on from the prefix")
        held = self._held(prefix) if prefix else None
        cache.begin(row.place, held.cache if held else None)
        if statistic is not None:
            statistic.begin(row.place, held.statistic if held else None)

    def _held(self, prefix: Sequence[int]) -> Text:
        """``prefix`` as this profile reads it: what was kept of it, or read now."""
        held = self._prefix
        if held is None or held.ids != list(prefix) or (held.statistic is None and self._learns):
            held = self._prefix = Text(self._cache(1, len(prefix)), self._statistic(1), ids=list(prefix))
            self._read(self._row(0, GenerationRequest(tuple(prefix))), held.cache, held.statistic)
        return held

    def _read(self, row: Row, cache: KVCache, statistic: NeuronStatistic | None) -> torch.Tensor:
        """Prefill ``row`` to its end. Gives the logits ``[V]`` after it."""
        while True:
            logits = prefill_chunk(self.model, cache, row, statistic)
            if logits is not None:
                return logits

    def _row(self, index: int, request: GenerationRequest) -> Row:
        length = len(request.prompt_ids)
        if length == 0:
            raise UsageError("the prompt has no tokens", "give a text")
        if length >= self.context:
            raise UsageError(
                f"the prompt has {length} tokens, but the context of {self.loaded.model} holds {self.context}",
                "shorten the prompt or choose a model with a longer context",
            )
        return Row(index, request, self.tokens, self.context, self._placement.device)

    def _text_for(self, row: Row) -> Text:
        """The previous text, cut back to what it shares with ``row``, or an empty one; with room for the answer."""
        need = self._slots(len(row.ids) + row.room)
        text = self._text
        if text is None or (text.statistic is None and self._learns):
            return Text(self._cache(1, need), self._statistic(1))
        text.return_to(text.common_prefix(row.ids))
        if text.cache.capacity < need:
            text.cache = text.cache.enlarged(need)
        return text

    def _remember(self, text: Text, row: Row, loop: CorrectionLoop) -> None:
        """After the answer, the cache holds every committed token but the newest."""
        if self._sparse_alone:  # what a draft without checks wrote is not dense: it must not carry another answer
            text.cache.rewind(0, len(text.ids))
            return
        prompt = len(text.ids)
        text.ids = row.ids[: text.cache.lengths[0]]
        if isinstance(loop, ProgrammedLoop) and loop.overshot and text.statistic is not None:
            text.return_to(prompt)

    @property
    def _sparse_alone(self) -> bool:
        return not self.profile.draft.native_dense and not self.profile.correction.enabled

    @property
    def _beside(self) -> int:
        """How many slots a text needs beyond its tokens; recorded passes are padded."""
        beside = tree_slots(self.profile) if self.profile.trees else 0
        return beside + (longest_window(self.profile) if self._records else 0)

    @property
    def _learns(self) -> bool:
        return self.profile.draft.method == "coarse"

    def _slots(self, tokens: int) -> int:
        """The capacity of a cache for a text of ``tokens``.

        A program's windows are never cut short, and its cache is made large enough to serve later prompts as well.
        """
        need = tokens + self._beside
        return max(_LEAST_SLOTS, 1 << (need - 1).bit_length()) if self._records else need

    def _places(self, longest: int) -> int:
        """How many texts of ``longest`` tokens to work on side by side."""
        config = self.model.config
        neurons = config.intermediate_size * len(config.layers) if self._learns else 0
        numbers = 2 if self.profile.draft.decay == 1.0 else 3  # a statistic and a mask, and what has faded
        text = longest * self.token_cache_bytes + 4 * numbers * neurons
        return max(1, min(_MOST_PLACES, int(_MEMORY_SHARE * free_bytes(self._placement.device)) // text))

    def _cache(self, rows: int, tokens: int) -> KVCache:
        placement = self._placement
        config = self.model.config
        return KVCache(config, rows, tokens, dtype=placement.dtype, device=placement.device)

    def _statistic(self, rows: int) -> NeuronStatistic | None:
        return NeuronStatistic(self.model.down_norms, rows) if self._learns else None
