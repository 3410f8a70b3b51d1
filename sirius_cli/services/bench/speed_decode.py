"""Whole answers, timed token by token: dense, corrected, and by other programs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from time import perf_counter
from typing import Any

from sirius_cli.core.events import Checked, Committed, Drafted
from sirius_cli.core.metrics import Metrics, MetricsFold
from sirius_cli.core.profile import DraftSpec, Profile
from sirius_cli.core.request import GenerationRequest
from sirius_cli.core.statistics import quantile, summarise
from sirius_cli.errors import UsageError
from sirius_cli.services.bench.speed_case import Case, floor_of, ratios
from sirius_cli.services.bench.speed_plan import Baseline, Decode, Engine, SpeedPlan
from sirius_cli.services.bench.speed_prompt import prompt_ids
from sirius_cli.services.bench.speed_results import DecodeRow, Latency

_DENSE = Decode("dense", Profile(name="dense", draft=DraftSpec(method="dense")))


@dataclass(frozen=True, slots=True)
class Decoded:
    """``arrivals`` are the seconds from the start to each of ``ids``, the first of which the prompt gave.

    ``passes`` read the KV cache: draft steps and checks. ``metrics`` are None for another program.
    """

    ids: tuple[int, ...]
    arrivals: tuple[float, ...]
    passes: int
    metrics: Metrics | None = None

    @property
    def gaps(self) -> list[float]:
        """Seconds between one token and the next."""
        return [after - before for before, after in pairwise(self.arrivals)]

    @property
    def seconds(self) -> float:
        """Seconds for a token, once the first is there."""
        return (self.arrivals[-1] - self.arrivals[0]) / (len(self.arrivals) - 1)


@dataclass(slots=True, kw_only=True)
class DecodeCase(Case[Decoded]):
    """``read_bytes`` are those of weights that a dense step reads, None if this program reads others.

    The ``reference`` is what the others with the same prompt and length are compared with.
    """

    prompt_tokens: int
    tokens: int
    read_bytes: int | None
    token_cache_bytes: int
    profile: Profile | None = None
    reference: bool = False
    note: str = ""


def decode_cases(engine: Engine, plan: SpeedPlan, baselines: Sequence[Baseline]) -> Iterator[DecodeCase]:
    """All answers of ``plan``, the dense one of each prompt and length first."""
    for prompt_tokens in plan.prefills if plan.decodes else ():
        prompt = prompt_ids(engine.tokens, prompt_tokens)
        for tokens in plan.decodes:
            yield _own_case(engine, _DENSE, prompt, tokens)
            for decode in plan.profiles:
                yield _own_case(engine, decode, prompt, tokens)
            for baseline in baselines:
                yield _baseline_case(engine, baseline, prompt, tokens)


def expect_room(engine: Engine, plan: SpeedPlan) -> None:
    """Raises ``UsageError`` where a prompt, its first token and the longest answer do not fit the context."""
    prompt, tokens = max(plan.prefills, default=0), max(plan.decodes, default=0)
    if tokens and prompt + tokens + 1 > engine.context:
        message = f"{prompt} + {tokens} tokens do not fit the context of {engine.loaded.model}, {engine.context}"
        raise UsageError(message, "give a shorter --n-prompt or --n-gen")


def decode_rows(cases: Sequence[DecodeCase], reads: Sequence[float]) -> tuple[DecodeRow, ...]:
    """A row for each case, all with the same number of samples as there are ``reads`` (bytes per second)."""
    dense = {(case.prompt_tokens, case.tokens): case.samples for case in cases if case.reference}
    return tuple(_row(case, dense[case.prompt_tokens, case.tokens], reads) for case in cases)


def _own_case(engine: Engine, decode: Decode, prompt: tuple[int, ...], tokens: int) -> DecodeCase:
    request, twin = GenerationRequest(prompt, max_new_tokens=tokens + 1, ignore_eos=True), engine.twin(decode.profile)

    def run() -> Decoded:
        twin.forget()
        return _answer(twin, request)

    return DecodeCase(
        name=decode.name,
        run=run,
        prompt_tokens=len(prompt),
        tokens=tokens,
        read_bytes=engine.weight_bytes,
        token_cache_bytes=engine.token_cache_bytes,
        profile=decode.profile,
        reference=decode is _DENSE,
    )


def _baseline_case(engine: Engine, baseline: Baseline, prompt: tuple[int, ...], tokens: int) -> DecodeCase:
    return DecodeCase(
        name=baseline.name,
        run=_foreign(baseline, prompt, tokens),
        prompt_tokens=len(prompt),
        tokens=tokens,
        read_bytes=engine.weight_bytes if baseline.reads_dense else None,
        token_cache_bytes=engine.token_cache_bytes,
        note=baseline.note,
    )


def _foreign(baseline: Baseline, prompt: tuple[int, ...], tokens: int) -> Callable[[], Decoded]:
    def run() -> Decoded:
        ids, arrivals = baseline.decode(prompt, tokens + 1)
        return Decoded(tuple(ids), tuple(arrivals), tokens)

    return run


def _answer(engine: Engine, request: GenerationRequest) -> Decoded:
    """A fresh engine answers, so that no prefix is known; its tokens count from when they are told."""
    fold, ids, arrivals, passes = MetricsFold(), list[int](), list[float](), 0
    start = perf_counter()
    for event in engine.generate(request):
        now = perf_counter() - start
        fold.add(event)
        if isinstance(event, Committed):
            ids += [token.token_id for token in event.tokens]
            arrivals += [now] * len(event.tokens)
        if isinstance(event, Drafted):
            passes += event.passes
        passes += isinstance(event, Checked)
    return Decoded(tuple(ids), tuple(arrivals), passes, fold.metrics())


def _row(case: DecodeCase, dense: list[Decoded], reads: Sequence[float]) -> DecodeRow:
    samples, last = case.samples, case.samples[-1]
    seconds = [sample.seconds for sample in samples]
    milliseconds = summarise([1000 * value for value in seconds])
    read = _read_bytes(case, last)
    floor = None if read is None else floor_of(read, seconds, reads)
    metrics = last.metrics
    return DecodeRow(
        name=case.name,
        prompt_tokens=case.prompt_tokens,
        tokens=case.tokens,
        milliseconds=milliseconds,
        tokens_per_second=1000 / milliseconds.median,
        over_dense=ratios(seconds, [sample.seconds for sample in dense]),
        first_token_ms=summarise([1000 * sample.arrivals[0] for sample in samples]),
        latency=_latency(samples),
        aal=metrics.aal if metrics else None,
        effective_density=metrics.effective_density if metrics else None,
        same_tokens=_common(last.ids, dense[-1].ids),
        read_bytes=floor.read_bytes if floor else None,
        floor_ms=floor.milliseconds if floor else None,
        floor_share=floor.share if floor else None,
        peak_bytes=case.peak_bytes,
        profile=_settings(case.profile),
        note=case.note,
        looked_up=metrics.looked_up if metrics and case.profile and case.profile.looks_up else None,
    )


def _read_bytes(case: DecodeCase, sample: Decoded) -> float | None:
    """Weights and KV cache that a token costs; the cache is on average half grown."""
    if case.read_bytes is None:
        return None
    weights = (sample.metrics.effective_read or 0.0) if sample.metrics else 1.0
    cached = case.prompt_tokens + case.tokens / 2
    return weights * case.read_bytes + sample.passes / case.tokens * cached * case.token_cache_bytes


def _latency(samples: Sequence[Decoded]) -> Latency:
    gaps = [1000 * gap for sample in samples for gap in sample.gaps]
    return Latency(*(quantile(gaps, fraction) for fraction in (0.5, 0.9, 0.99)))


def _common(ids: Sequence[int], other: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ids, other, strict=False)))


def _settings(profile: Profile | None) -> dict[str, Any] | None:
    return profile.model_dump(include={"name", "draft", "correction"}) if profile else None
