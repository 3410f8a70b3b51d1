"""From what lm-eval judged, and from the answers themselves, to the figures of a method."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sirius_cli.core.metrics import Metrics, combine
from sirius_cli.core.statistics import summarise
from sirius_cli.services.bench.quality.methods import Method
from sirius_cli.services.bench.quality.results import Agreement, Interval, MethodResult
from sirius_cli.services.bench.quality.samples import Sample, Written
from sirius_cli.services.bench.quality.statistics import agreement, paired_difference, recovery


@dataclass(frozen=True, slots=True)
class Judged:
    """One method's answers to a task, judged. ``scores`` has every metric; ``score`` and ``stderr`` are the main one.

    ``by_item`` gives the main metric of each item that has one by itself, ``samples`` what was made for each item.
    """

    score: float | None
    stderr: float | None
    scores: dict[str, float]
    by_item: dict[int, float]
    samples: dict[int, list[Sample]]

    @property
    def written(self) -> list[Written]:
        """The answers in the order of the items."""
        return [sample for item in sorted(self.samples) for sample in self.samples[item] if isinstance(sample, Written)]

    @property
    def seconds(self) -> float:
        """Wall time that the engine took."""
        return sum(sample.seconds for samples in self.samples.values() for sample in samples)


def judged(report: Mapping[str, Any], task: str, metric: str, samples: dict[int, list[Sample]]) -> Judged:
    """Take the figures of ``task`` out of lm-eval's ``report``. ``metric`` is its main one, "NAME,FILTER"."""
    results = report["results"][task]
    name, _, chosen = metric.partition(",")
    logged = [row for row in report["samples"][task] if row["filter"] == chosen and name in row]
    values = {row["doc_id"]: _number(row[name]) for row in logged}
    return Judged(
        score=_number(results.get(metric)),
        stderr=_number(results.get(f"{name}_stderr,{chosen}")),
        scores={key: value for key in results if "," in key and (value := _number(results[key])) is not None},
        by_item={item: value for item, value in values.items() if value is not None},
        samples=samples,
    )


def method_result(
    method: Method, own: Judged, *, baseline: Judged | None, dense: Judged | None, sparse: Judged | None
) -> MethodResult:
    """The figures of ``method``; ``baseline`` None: it is the baseline.

    ``dense`` and ``sparse`` are the answers of the dense model and of the draft alone, for what was recovered.
    """
    written = own.written
    metrics = _metrics(written)
    by_request = [aal for sample in written if (aal := combine([sample.tally]).aal) is not None]
    drafts = method.profile.drafts
    return MethodResult(
        method=method.name,
        profile=method.profile,
        items=len(own.samples),
        score=own.score,
        stderr=own.stderr,
        difference=_difference(own, baseline),
        recovery=_recovery(own, dense, sparse),
        aal=metrics.aal if drafts else None,
        aal_by_request=summarise(by_request) if drafts and by_request else None,
        draft_density=metrics.draft_density,
        effective_density=metrics.effective_density,
        effective_read=metrics.effective_read,
        corrected_fraction=metrics.corrected_fraction if method.profile.corrects else None,
        mean_length=metrics.committed_tokens / len(written) if written else None,
        agreement=_agreement(written, baseline),
        seconds=own.seconds,
        advances=tuple(sorted(Counter(metrics.advances).items())) if drafts else (),
        lengths=tuple(len(sample.token_ids) for sample in written),
        truncated=sum(sample.truncated for samples in own.samples.values() for sample in samples),
        looked_up=metrics.looked_up if method.profile.looks_up else None,
    )


def _metrics(written: list[Written]) -> Metrics:
    """Each answer counts as a generation of its own, whoever was at its side."""
    return combine([replace(sample.tally, generation=number) for number, sample in enumerate(written)])


def _difference(own: Judged, baseline: Judged | None) -> Interval | None:
    if baseline is None:
        return None
    both = sorted(own.by_item.keys() & baseline.by_item.keys())
    if not both:
        return None
    return paired_difference([own.by_item[item] for item in both], [baseline.by_item[item] for item in both])


def _recovery(own: Judged, dense: Judged | None, sparse: Judged | None) -> float | None:
    if dense is None or sparse is None or own.score is None or dense.score is None or sparse.score is None:
        return None
    return recovery(dense.score, sparse.score, own.score)


def _agreement(written: list[Written], baseline: Judged | None) -> Agreement | None:
    if baseline is None or not written:
        return None
    theirs = {sample.key: sample for sample in baseline.written}
    pairs = [(sample, theirs[sample.key]) for sample in written if sample.key in theirs]
    return agreement([own.token_ids for own, _ in pairs], [other.token_ids for _, other in pairs])


def _number(value: Any) -> float | None:
    """``value`` as a number; metrics that are lists, and "N/A", have none."""
    return float(value) if isinstance(value, int | float) else None
