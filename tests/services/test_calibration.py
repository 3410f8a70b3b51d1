"""Keeps by layer from a text: what is measured, shared out and written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from sirius_cli.config.resolve import resolve_profile
from sirius_cli.core.events import Loaded
from sirius_cli.engine.backend import torch_ops
from sirius_cli.engine.models.decoder import Decoder
from sirius_cli.engine.random_weights import random_weights, shape_config
from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services import calibration
from sirius_cli.services.calibration import (
    CalibrationText,
    calibrate,
    check_keep,
    check_output,
    profile_text,
    read_text,
)
from sirius_cli.services.progress import silent

SHAPE = {
    "model_type": "llama", "hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 5,
    "num_attention_heads": 2, "vocab_size": 128, "max_position_embeddings": 300,
}  # fmt: skip
TEXT = CalibrationText("a text", "".join(chr(33 + (7 * place + place // 5) % 90) for place in range(1000)))


class Letters:
    """A token a character, and one ahead of every prompt."""

    has_chat_template = False

    def encode(self, text: str, *, special: bool) -> list[int]:
        return [1] * special + [ord(letter) % 128 for letter in text]


@pytest.fixture
def engine() -> Any:
    config = shape_config(SHAPE)
    weights = random_weights(config, "tiny", dtype=torch.float32, device=torch.device("cpu"))
    weights.layers[3].mlp.down_t[:] *= 20.0  # a layer that does much
    model = Decoder(config, weights, torch_ops())
    return SimpleNamespace(model=model, tokens=Letters(), context=300, loaded=Loaded("tiny", "cpu", "fp32", 0, 0.0, {}))


def test_the_layer_that_does_most_gets_most_and_the_bytes_are_those_of_one_keep(engine: Any) -> None:
    found = calibrate(engine, 0.5, TEXT, silent)
    keeps = [layer.keep for layer in found.layers]
    assert max(range(5), key=keeps.__getitem__) == max(range(5), key=lambda at: found.layers[at].share) == 3
    assert sum(int(keep * 100 + 1e-9) for keep in keeps) <= 5 * 50
    assert sum(keeps) == pytest.approx(5 * 0.5)
    assert found.by_layer < found.alike == pytest.approx(sum(layer.share for layer in found.layers))
    assert (found.model, found.tokens) == ("tiny", 8 * 126)


def test_progress_tells_layers_and_what_is_left(engine: Any) -> None:
    told: list[Any] = []
    calibrate(engine, 0.5, TEXT, told.append)
    assert [(event.done, event.total, event.unit) for event in told] == [(done, 5, "layers") for done in range(6)]
    assert told[0].remaining is None
    assert told[3].remaining > 0
    assert told[5].remaining == 0


def test_parts_are_spread_over_a_long_text_and_begin_as_prompts_do(engine: Any, monkeypatch: Any) -> None:
    seen: list[Any] = []

    def measuring(model: Any, texts: Any, *more: Any) -> Any:
        seen.append(texts)
        return iter(())

    monkeypatch.setattr("sirius_cli.engine.drafts.sensitivity.sensitivities", measuring)
    calibrate(engine, 0.5, CalibrationText("long", "ab" * 8000), silent)
    (texts,) = seen
    assert {len(text) for text in texts} == {257}
    assert all(text[0] == 1 for text in texts)
    assert len(texts) == 8


def test_without_a_text_the_built_in_one_is_measured_on(engine: Any) -> None:
    found = calibrate(engine, 0.5, read_text(None), silent)
    assert (found.text, found.tokens) == ("the built-in sample text", 8 * 257)


def test_a_text_that_is_too_short_is_refused(engine: Any) -> None:
    with pytest.raises(ModelError, match=r"^a text has 383 tokens; calibrate on at least 384$"):
        calibrate(engine, 0.5, CalibrationText("a text", "x" * 383), silent)
    assert calibrate(engine, 0.5, CalibrationText("a text", TEXT.text[:384]), silent).tokens == 8 * 49


def test_what_is_written_is_a_profile_that_says_where_it_is_from(engine: Any, tmp_path: Path) -> None:
    found = calibrate(engine, 0.4, TEXT, silent)
    path = tmp_path / "mine.yaml"
    calibration.write_profile(path, profile_text(found, "sirius calibrate -m tiny --keep 0.4"))
    profile = resolve_profile(str(path), {}, {}).profile
    assert profile.draft.keeps == tuple(layer.keep for layer in found.layers)
    assert profile.draft.keep == 0.4
    assert profile.correction == resolve_profile("sirius", {}, {}).profile.correction
    assert profile.source.startswith("sirius calibrate -m tiny --keep 0.4: 1008 tokens of a text.")
    assert yaml.safe_load(path.read_text())["extends"] == "sirius"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0.0, 0.04, 0.96, 1.0, 2.0, float("nan")])
def test_a_keep_that_leaves_nothing_to_share_out_is_refused(keep: float) -> None:
    with pytest.raises(UsageError, match=r"keep cannot be .*; give a number from 0\.05 to 0\.95"):
        check_keep(keep)


@pytest.mark.parametrize("name", ["profile.txt", "missing/profile.yaml", "folder.yaml"])
def test_places_that_cannot_hold_a_profile_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UsageError, match=r"cannot write a profile to .*; name a \.yaml file in a folder that exists"):
        check_output(tmp_path / name)


def test_texts_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*none\.txt: No such file or directory; name a text file"):
        read_text(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ModelError, match=r"latin\.txt is not UTF-8 at byte 3"):
        read_text(tmp_path / "latin.txt")
    assert "built-in" in read_text(None).name


def test_a_disk_that_takes_nothing_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(calibration, "write_text", full)
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        calibration.write_profile(tmp_path / "mine.yaml", "")
    assert list(tmp_path.iterdir()) == []
