"""``sirius calibrate``: what it writes, and what it refuses before a model is loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sirius_cli import main as entry
from sirius_cli.services import calibration, session
from sirius_cli.services.calibration import CalibratedLayer, Calibration, CalibrationText
from sirius_cli.services.models import ResolvedModel
from sirius_cli.services.progress import Progress, ProgressEvent

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sirius(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``sirius(*arguments)`` runs ``sirius calibrate``, the measuring being made up."""

    def measured(engine: object, keep: float, text: CalibrationText, progress: Progress) -> Calibration:
        progress(ProgressEvent("Measuring", 1, 2, unit="layers", remaining=61.0))
        layers = (CalibratedLayer(0.5, 0.4, 0.6, 0.9), CalibratedLayer(0.01, 0.02, 0.0, 0.1))
        return Calibration("tiny", keep, text.name, 400, layers, 0.51, 0.3)

    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "find_model", lambda choice, progress: ResolvedModel(choice.model, tmp_path))
    monkeypatch.setattr(session, "load_engine", lambda found, choice, profile, progress: None)
    monkeypatch.setattr(calibration, "calibrate", measured)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = entry.main(["calibrate", *arguments])
        return code, *capsys.readouterr()

    return run


def test_a_table_of_layers_on_standard_output_and_the_rest_beside_it(sirius: Run) -> None:
    code, out, err = sirius()
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["LAYER", "NATS", "KEEP"], ["0", "0.5000", "0.90"], ["1", "0.0100", "0.10"],
    ]  # fmt: skip
    assert "keeps: 0.9+0.1" in err
    assert "write a profile with -o FILE.yaml" in err


def test_json_is_one_document(sirius: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    code, out, _ = sirius("--json", "-o", str(path))
    document = json.loads(out)
    assert code == 0
    assert document["layers"] == [
        {"share": 0.5, "alone": 0.4, "among": 0.6, "keep": 0.9},
        {"share": 0.01, "alone": 0.02, "among": 0.0, "keep": 0.1},
    ]  # fmt: skip
    assert (document["schema_version"], document["draft_layers"], document["profile"]) == (1, "0.9+0.1", str(path))


def test_the_profile_names_the_command_that_it_comes_from(sirius: Run, tmp_path: Path) -> None:
    text, path = tmp_path / "my text.txt", tmp_path / "mine.yaml"
    text.write_text("words")
    code, _, err = sirius("-m", "some/model", "--keep", "0.4", "--text", str(text), "-o", str(path))
    assert code == 0
    assert f"add --profile {path}" in err
    assert f"sirius calibrate -m some/model --keep 0.4 --text '{text}'" in " ".join(path.read_text().split()).replace(
        "''", "'"
    )
    assert entry.main(["profiles", "validate", str(path)]) == 0


@pytest.mark.parametrize(
    ("arguments", "expected", "message"),
    [
        (["--keep", "1"], 2, "keep cannot be 1; give a number from 0.05 to 0.95"),
        (["--keep", "half"], 2, "'--keep': Input should be a valid number"),
        (["-o", "mine.txt"], 2, "cannot write a profile to mine.txt; name a .yaml file in a folder that exists"),
        (["--text", "missing.txt"], 4, "cannot read missing.txt: No such file or directory; name a text file"),
        (["--device", "tpu"], 2, "device cannot be tpu"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_loaded(
    arguments: list[str], expected: int, message: str, sirius: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "find_model", lambda *arguments: pytest.fail("a model was looked for"))
    code, out, err = sirius(*arguments)
    assert (code, out) == (expected, "")
    assert err.count("\n") == 1
    assert message in err
    assert not list(tmp_path.glob("*.yaml"))


def test_keeps_of_another_model_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = entry.main(["chat", "hello", "--profile", "sirius", "--draft-layers", "2x0.5+1.5", "--plain"])
    err = capsys.readouterr().err
    assert code == 2
    assert err.startswith("error: --draft-layers: draft.layers: must be none, or keeps above 0 and at most 1")
    assert err.count("\n") == 1
