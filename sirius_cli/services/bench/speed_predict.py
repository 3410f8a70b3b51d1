"""Rows put together from measured passes, where decoding itself says nothing: on random weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sirius_cli.core.statistics import summarise
from sirius_cli.core.windows import replayed
from sirius_cli.services.bench.speed_advance import RecordedAdvance
from sirius_cli.services.bench.speed_case import floor_of, ratios
from sirius_cli.services.bench.speed_passes import PassCase, draft_name
from sirius_cli.services.bench.speed_plan import DENSE_STEP
from sirius_cli.services.bench.speed_results import DecodeRow

_NOTE = "predicted from measured passes"
_Passes = Mapping[tuple[str, int], PassCase]


def predicted_rows(advance: RecordedAdvance, cases: Sequence[PassCase], reads: Sequence[float]) -> Iterator[DecodeRow]:
    """At each depth, the windows of the recorded run at the costs of the same repetition's passes.

    Time that is spent between passes is not in them, so ``over_dense`` compares with the dense step, which has none.
    """
    for depth in dict.fromkeys(case.depth for case in cases if case.name == DENSE_STEP):
        passes = {(case.name, case.tokens): case for case in cases if case.depth == depth}
        yield _row(advance, depth, passes, reads)


def _row(advance: RecordedAdvance, depth: int, passes: _Passes, reads: Sequence[float]) -> DecodeRow:
    windows = [(window.drafted, window.committed) for window in advance.windows]
    dense, draft = passes[DENSE_STEP, 1], passes[draft_name(advance.profile.draft), 1]
    seconds = [replayed(windows, one, _sample(passes, number)) for number, one in enumerate(draft.samples)]
    read = replayed(windows, draft.read_bytes or 0, lambda tokens: passes["check", tokens].read_bytes or 0)
    floor = floor_of(read, seconds, reads)
    milliseconds = summarise([1000 * value for value in seconds])
    return DecodeRow(
        name=f"{advance.profile.name} as in {advance.name}",
        prompt_tokens=depth,
        tokens=advance.committed,
        milliseconds=milliseconds,
        tokens_per_second=1000 / milliseconds.median,
        over_dense=ratios(seconds, dense.samples),
        aal=advance.committed / len(advance.windows),
        effective_density=advance.effective_density,
        read_bytes=floor.read_bytes,
        floor_ms=floor.milliseconds,
        floor_share=floor.share,
        profile=advance.profile.model_dump(include={"name", "draft", "correction"}),
        note=_NOTE,
    )


def _sample(passes: _Passes, number: int) -> Callable[[int], float]:
    return lambda tokens: passes["check", tokens].samples[number]
