"""The real 135M model from file to text: against transformers, and through every profile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engines import ids_of, text_of

from sirius_cli.config.resolve import resolve_profile
from sirius_cli.core.events import Checked
from sirius_cli.core.metrics import fold
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.engine import Engine

pytestmark = pytest.mark.model
LENGTH = 32
QUESTIONS = ("What is the capital of France?", "Count from one to ten.")


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Engine:
    return Engine.load(smollm2, name="smollm2", profile=resolve_profile("dense", {}, {}).profile)


def generate(engine, profile, question, length=LENGTH):
    twin = engine.twin(resolve_profile(profile, {}, {}).profile)
    prompt = tuple(engine.tokens.chat([{"role": "user", "content": question}]))
    return prompt, list(twin.generate(GenerationRequest(prompt, max_new_tokens=length)))


def test_dense_and_exact_are_transformers_greedy(engine, smollm2):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    for question in QUESTIONS:
        prompt, dense = generate(engine, "dense", question)
        expected = theirs.generate(torch.tensor([prompt]), max_new_tokens=LENGTH, do_sample=False)
        assert ids_of(dense) == expected[0, len(prompt) :].tolist()
        assert ids_of(generate(engine, "exact", question)[1]) == ids_of(dense)


def test_trees_write_the_dense_text(engine):
    values = {"correction.accept": ("exact", ""), "draft.tree_width": (4, ""), "correction.window": (6, "")}
    prompt, dense = generate(engine, "dense", QUESTIONS[1])
    twin = engine.twin(resolve_profile("sirius", values, {}).profile)
    events = list(twin.generate(GenerationRequest(prompt, max_new_tokens=LENGTH)))
    assert ids_of(events) == ids_of(dense)
    assert max(event.nodes for event in events if isinstance(event, Checked)) > 6


@pytest.mark.parametrize("profile", ["coarse", "fine", "sirius", "sirius-fine"])
def test_every_profile_answers_and_counts_truly(engine, profile):
    _, events = generate(engine, profile, QUESTIONS[0])
    metrics = fold(events)
    assert metrics.committed_tokens == len(ids_of(events)) > 3
    assert text_of(events) == engine.tokens.decode(ids_of(events))
    assert 0.5 < metrics.draft_density < 1.0
    assert (metrics.aal is None) == (profile in ("coarse", "fine"))


def test_the_command_answers_in_json(smollm2):
    command = [sys.executable, "-m", "sirius_cli", "chat", QUESTIONS[0], "-m", str(smollm2), "--json", "-n", "24"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    answer = json.loads(done.stdout)
    assert "Paris" in answer["text"]
    assert len(answer["token_ids"]) == answer["metrics"]["committed_tokens"]
    assert answer["metrics"]["check_cost_ratio"] > 0
    assert all(0 <= correction["p_token"] <= 1 for correction in answer["corrections"])
