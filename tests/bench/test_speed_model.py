"""``sirius bench speed`` on a real model."""

import json
from pathlib import Path

import pytest

from sirius_cli import main as entry


@pytest.mark.model
@pytest.mark.slow
def test_whole_answers_of_the_built_in_model(smollm2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--depth 16 -p 24 --check 1,4 -n 8 -r 1 --warmups 0 --threads 1 --baseline transformers --json"
    arguments += " --profile exact-small --profile sirius"  # copies in int8 are made in no time
    assert entry.main(["bench", "speed", "-m", str(smollm2), *arguments.split()]) == 0
    document = json.loads(capsys.readouterr().out)
    dense, exact, sirius, transformers = document["end_to_end"]
    assert [row["name"] for row in document["end_to_end"]] == ["dense", "exact-small", "sirius", "transformers"]
    assert dense["same_tokens"] == exact["same_tokens"] == transformers["same_tokens"] == 9
    assert dense["aal"] == dense["effective_density"] == 1.0
    assert 1.0 <= sirius["aal"] <= 8.0
    assert sirius["read_bytes"] > 0
    assert all(row["milliseconds"]["n"] == 1 for row in document["end_to_end"])
    assert all(row["peak_bytes"] > document["weight_bytes"] for row in document["end_to_end"])
