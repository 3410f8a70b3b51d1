"""Finished answers survive whatever happens to the process that made them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.metrics import Tally, Work
from sirius_cli.errors import EnvironmentProblem
from sirius_cli.services.bench.quality.samples import Sample, SampleStore, Scored, Written

WORK = st.builds(Work, st.integers(0, 99), st.integers(0, 99), st.floats(0, 9), st.floats(0, 9), st.floats(0, 9))
TALLIES = st.builds(Tally, work=WORK, advances=st.lists(st.integers(1, 16)), committed=st.integers(0, 99))
TEXTS = st.text(st.characters(codec="utf-8"))
WRITTEN = st.builds(
    Written, key=st.uuids().map(str), text=TEXTS, token_ids=st.lists(st.integers(0, 9)).map(tuple),
    finish_reason=st.sampled_from(["stop", "length"]), prompt_tokens=st.integers(1, 99), truncated=st.booleans(),
    seconds=st.floats(0, 9), tally=TALLIES,
)  # fmt: skip
SCORED = st.builds(Scored, st.uuids().map(str), st.floats(-9, 0), st.booleans(), st.booleans(), st.floats(0, 9))
SAMPLES = st.lists(WRITTEN | SCORED, max_size=5, unique_by=lambda sample: sample.key)


@given(samples=SAMPLES, cut=st.integers(0, 400))
def test_what_was_finished_is_read_back_and_a_torn_end_is_cut_off(
    samples: list[Sample], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "samples.jsonl"
    store = SampleStore(path)
    for sample in samples:
        store.add(sample)
    store.close()
    whole = path.read_bytes() if samples else b""
    torn = whole[: max(0, len(whole) - cut)]
    path.write_bytes(torn)
    read = SampleStore(path)
    kept = torn.count(b"\n")
    assert len(read) == kept
    assert [read[sample.key] for sample in samples[:kept]] == samples[:kept]
    for sample in samples[kept:]:
        assert sample.key not in read
        read.add(sample)
    read.close()
    assert [SampleStore(path)[sample.key] for sample in samples] == samples
    assert path.read_bytes() == whole


def test_a_broken_line_ends_what_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    store = SampleStore(path)
    store.add(Scored("a", -1.0, True, False, 0.1))
    store.add(Scored("b", -1.0, True, False, 0.1))
    store.close()
    path.write_bytes(path.read_bytes().replace(b'"key": "a"', b'"kex": "a"'))
    assert len(SampleStore(path)) == 0


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"cannot keep samples in .*file/samples"):
        SampleStore(tmp_path / "file" / "samples").add(Scored("a", 0.0, True, False, 0.0))
