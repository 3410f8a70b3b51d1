from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.errors import ModelError
from sirius_cli.services.model_spec import BuiltinSpec, FolderSpec, GgufSpec, HubSpec, parse_spec

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
revisions = st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,12}", fullmatch=True)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("builtin:smollm2", BuiltinSpec("smollm2")),
        ("owner/name", HubSpec("owner/name")),
        ("owner/name@refs/pr/1", HubSpec("owner/name", "refs/pr/1")),
        ("owner/name:model-Q4.gguf", HubSpec("owner/name", None, "model-Q4.gguf")),
        ("owner/name@v1:sub/model.gguf", HubSpec("owner/name", "v1", "sub/model.gguf")),
    ],
)
def test_the_grammar(text: str, spec: object) -> None:
    assert parse_spec(text) == spec


def test_what_exists_on_disk_comes_first(tmp_path: Path) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "builtin:smollm2").mkdir()
    (tmp_path / "owner" / "m.GGUF").touch()
    assert parse_spec("owner/name") == FolderSpec(Path("owner/name"))
    assert parse_spec("builtin:smollm2") == FolderSpec(Path("builtin:smollm2"))
    assert parse_spec("owner/m.GGUF") == GgufSpec(Path("owner/m.GGUF"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown model|no such model"),
        ("nothing", "unknown model 'nothing'"),
        ("./missing", "not an existing folder or file"),
        ("~nobody-here/x", "not an existing folder or file"),
        ("/missing/model.gguf", "not an existing folder or file"),
        ("owner/missing.gguf", "not an existing folder or file"),
        ("a/b/c", "unknown model"),
        ("owner/name:weights.bin", "pickled weights can run any code"),
        ("owner/name:../x.gguf", "not a .gguf file of the repository"),
        ("owner/name:config.json", "not a .gguf file of the repository"),
    ],
)
def test_what_is_no_model_is_refused_with_the_forms(text: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        parse_spec(text)
    assert caught.value.hint


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt"])
def test_a_pickled_file_is_refused_with_the_reason(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pytorch_model{suffix}"
    path.touch()
    with pytest.raises(ModelError, match="pickled weights can run any code"):
        parse_spec(str(path))


def test_a_safetensors_file_points_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.touch()
    with pytest.raises(ModelError, match="give its folder"):
        parse_spec(str(path))


@given(owner=names, name=names.filter(lambda name: not name.endswith(".gguf")), revision=revisions)
def test_a_hub_name_reads_back_as_itself(owner: str, name: str, revision: str | None) -> None:
    spec = HubSpec(f"{owner}/{name}", revision, "m.gguf")
    assert parse_spec(spec.name) == spec


@given(st.text(max_size=30))
def test_any_text_is_a_model_or_a_model_error(text: str) -> None:
    with suppress(ModelError):  # anything else fails the test
        assert isinstance(parse_spec(text), FolderSpec | GgufSpec | HubSpec | BuiltinSpec)
