"""Timed passes run what decoding runs, and leave everything as it was."""

import pytest
from engines import make_engine

from sirius_cli.core.profile import DraftSpec
from sirius_cli.errors import UsageError


@pytest.fixture
def engine(tiny_model):
    return make_engine(tiny_model("llama")[0])


def test_every_pass_takes_time(engine):
    probe = engine.probe(20, 8)
    assert probe.dense_step() > 0
    assert probe.check(8) > 0
    assert probe.prefill(8) > 0
    for method in ("coarse", "fine"):
        spec = DraftSpec(method=method)
        assert probe.draft_step(spec, probe.drafts(spec)) > 0


def test_a_pass_reads_the_keys_of_its_depth(engine):
    config, probe = engine.model.config, engine.probe(20, 8)
    assert probe.cache_bytes == 2 * 4 * 20 * len(config.layers) * config.kv_heads * config.head_dim


def test_a_dense_step_is_no_draft(engine):
    with pytest.raises(ValueError, match="no draft"):
        engine.probe(4, 1).drafts(DraftSpec(method="dense"))


def test_a_depth_beyond_the_context_is_refused(engine):
    with pytest.raises(UsageError, match="do not fit the context"):
        engine.probe(engine.context, 1)


def test_memory_is_read_at_some_speed(engine):
    assert engine.read_bandwidth() > 1e6
