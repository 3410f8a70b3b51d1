"""Results of benchmarks, made up: realistic ones, and any that can be."""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import strategies as st

from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.core.statistics import Summary, summarise
from sirius_cli.services.bench.quality.results import Agreement, BenchResult, Interval, MethodResult, TaskResult

ITEMS = 200
DENSE = Profile(name="dense", draft=DraftSpec(method="dense"))
DRAFT = Profile(name="coarse", correction=CorrectionSpec(enabled=False))
SIRIUS = Profile(name="sirius")
EXACT = Profile(name="exact", draft=DraftSpec(method="fine"), correction=CorrectionSpec(accept="exact", window=8))


def method(name: str, profile: Profile, score: float, **more: object) -> MethodResult:
    """A method on 200 items; what it is not told is made up from its name and score."""
    chance = random.Random(name)
    lengths = tuple(max(4, round(chance.gauss(180, 60))) for _ in range(ITEMS))
    facts: dict[str, object] = {
        "items": ITEMS, "stderr": (score * (1 - score) / ITEMS) ** 0.5, "difference": None, "recovery": None,
        "aal": None, "aal_by_request": None, "draft_density": None, "effective_density": 1.0, "effective_read": 1.0,
        "corrected_fraction": None, "mean_length": sum(lengths) / ITEMS, "agreement": None, "seconds": 412.25,
        "lengths": lengths,
    }  # fmt: skip
    return MethodResult(method=name, profile=profile, score=score, **{**facts, **more})  # type: ignore[arg-type]


def corrected(name: str, profile: Profile, score: float, density: float, **more: object) -> MethodResult:
    """A method with checks."""
    chance = random.Random(name)
    window = profile.correction.window
    advances = [min(window, 1 + int(chance.expovariate(0.09))) for _ in range(3000)]
    facts: dict[str, object] = {
        "difference": Interval(score - 0.585, score - 0.625, score - 0.548), "recovery": 0.913,
        "aal": sum(advances) / len(advances), "aal_by_request": summarise(advances[:ITEMS]), "draft_density": 0.62,
        "effective_density": density, "effective_read": density + 0.013, "corrected_fraction": 0.0413,
        "agreement": Agreement(ITEMS, 131, summarise([chance.randrange(150) for _ in range(69)])),
        "advances": tuple(sorted(Counter(advances).items())),
    }  # fmt: skip
    return method(name, profile, score, **{**facts, **more})


def generating() -> TaskResult:
    """A task with answers."""
    alone = method(
        "draft", DRAFT, 0.385, effective_density=0.62, effective_read=0.63, draft_density=0.62,
        difference=Interval(-0.2, -0.265, -0.135), agreement=Agreement(ITEMS, 9, summarise([4, 12, 31])),
    )  # fmt: skip
    methods = (
        method("dense", DENSE, 0.585),
        alone,
        corrected("sirius", SIRIUS, 0.575, 0.742),
        corrected("exact", EXACT, 0.585, 0.958, agreement=Agreement(ITEMS, ITEMS, None)),
        corrected("sirius:keep=0.4", SIRIUS.model_copy(update={"draft": DraftSpec(keep=0.4)}), 0.56, 0.731),
    )
    scores = {one.method: {"exact_match,flexible-extract": one.score or 0.0} for one in methods}
    return TaskResult("gsm8k", "exact_match,flexible-extract", True, 5, methods, scores)


def scoring() -> TaskResult:
    """A task that only scores given texts."""
    nothing = dict.fromkeys(("effective_density", "effective_read", "draft_density", "mean_length"))
    methods = (
        method("dense", DENSE, 0.6215, **nothing, lengths=()),
        method("draft", DRAFT, 0.534, **nothing, lengths=(), difference=Interval(-0.0875, -0.13, -0.045)),
    )
    return TaskResult("arc_easy", "acc_norm,none", True, 0, methods)


def result(*tasks: TaskResult, **more: object) -> BenchResult:
    """A run of these tasks, or of both kinds."""
    facts: dict[str, object] = {
        "run": "gsm8k-3f9a27c1d0", "created": "2026-03-14T09:26:53+00:00", "model": "meta-llama/Llama-3.2-1B-Instruct",
        "device": "cpu", "dtype": "float32", "settings": {"fewshot": "5", "chat template": "True", "seed": "1234"},
        "versions": {"sirius-llm": "0.1.0", "python": "3.11.9", "lm-eval": "0.4.13"}, "complete": True,
    }  # fmt: skip
    return BenchResult(**{**facts, **more}, tasks=tasks or (generating(), scoring()))  # type: ignore[arg-type]


def unlike() -> BenchResult:
    """Another run of the same, with other settings, another profile of the same name and without one method."""
    first, second = generating(), scoring()
    mine = SIRIUS.model_copy(update={"draft": DraftSpec(keep=0.6)})
    methods = (first.methods[0], corrected("sirius", mine, 0.61, 0.81), method("coarse", DRAFT, 0.39))
    tasks = (replace(first, methods=methods, fewshot=8), replace(second, metric="acc,none"))
    return result(*tasks, run="gsm8k-77b0e2aa14", dtype="bfloat16", settings={"fewshot": "8", "seed": "1234"})


_names = st.text(min_size=1, max_size=12)
_figures = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_finite = st.floats(allow_nan=False, allow_infinity=False)
_counts = st.integers(0, 2**40)
_summaries = st.builds(Summary, _counts, _finite, _finite, _finite, _finite, _finite)
_profiles = st.builds(
    Profile,
    name=_names,
    draft=st.builds(DraftSpec, method=st.sampled_from(["dense", "coarse", "fine"]), keep=st.floats(0.1, 1.0)),
    correction=st.builds(CorrectionSpec, enabled=st.booleans(), window=st.integers(1, 256)),
)
_methods = st.builds(
    MethodResult,
    method=_names,
    profile=_profiles,
    items=_counts,
    score=_figures,
    stderr=_figures,
    difference=st.none() | st.builds(Interval, _finite, _finite, _finite),
    recovery=_figures,
    aal=_figures,
    aal_by_request=st.none() | _summaries,
    draft_density=_figures,
    effective_density=_figures,
    effective_read=_figures,
    corrected_fraction=_figures,
    mean_length=_figures,
    agreement=st.none() | st.builds(Agreement, _counts, _counts, st.none() | _summaries),
    seconds=_finite,
    advances=st.lists(st.tuples(_counts, _counts), max_size=4).map(tuple),
    lengths=st.lists(_counts, max_size=4).map(tuple),
)
_tasks = st.builds(
    TaskResult,
    task=_names,
    metric=_names,
    higher_is_better=st.booleans(),
    fewshot=_counts,
    methods=st.lists(_methods, max_size=3).map(tuple),
    scores=st.dictionaries(_names, st.dictionaries(_names, _finite, max_size=2), max_size=2),
)
_texts = st.dictionaries(_names, _names, max_size=3)
results = st.builds(
    BenchResult,
    run=_names,
    created=_names,
    model=_names,
    device=_names,
    dtype=_names,
    settings=_texts,
    versions=_texts,
    complete=st.booleans(),
    tasks=st.lists(_tasks, max_size=2).map(tuple),
)
"""Any result, None values and absurd numbers included."""
