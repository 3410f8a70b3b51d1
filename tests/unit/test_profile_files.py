"""Profile files: every fault is listed with its file and line; extending works and cannot loop."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.config import catalogue
from sirius_cli.config.faults import ProfileError
from sirius_cli.config.files import parse
from sirius_cli.config.locations import profiles_dir
from sirius_cli.errors import UsageError
from sirius_cli.exit_codes import ExitCode

SHIPPED = ["coarse", "dense", "exact", "exact-small", "fine", "sirius", "sirius-fine", "turbo"]


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own profiles."""
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path))
    folder = profiles_dir()
    folder.mkdir(parents=True)
    return folder


def faults(text: str) -> list[str]:
    return [str(fault) for fault in parse("mine.yaml", text.encode()).faults]


def test_the_shipped_profiles_are_these() -> None:
    assert [source.name for source in catalogue.sources()] == SHIPPED
    assert all(source.shipped for source in catalogue.sources())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_is_sound_and_explains_itself(name: str) -> None:
    loaded = catalogue.load(name)
    assert loaded.description
    assert loaded.numbers_from
    assert loaded.values.keys() == loaded.places.keys()
    assert b"schema_version: 1" in loaded.source.file.read_bytes()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("draft: {keep: 0.0}", "mine.yaml:1: draft.keep: must be greater than 0, not 0.0"),
        ("draft:\n  keep: 1.5", "mine.yaml:2: draft.keep: must be less than or equal to 1, not 1.5"),
        ("draft: {keep: .nan}", "mine.yaml:1: draft.keep: must be a finite number, not nan"),
        ("draft: {keep: half}", "mine.yaml:1: draft.keep: must be a valid number, not 'half'"),
        ("draft: {keep: true}", "mine.yaml:1: draft.keep: must be a valid number, not True"),
        ("draft: {method: corse}", "mine.yaml:1: draft.method: must be 'dense', 'coarse' or 'fine', not 'corse'"),
        (
            "correction: {window: 0}",
            "mine.yaml:1: correction.window: must be auto or a whole number from 1 to 256, not 0",
        ),
        (
            "correction: {window: 4.0}",
            "mine.yaml:1: correction.window: must be auto or a whole number from 1 to 256, not 4.0",
        ),
        ("correction: {temperature: .inf}", "mine.yaml:1: correction.temperature: must be a finite number, not inf"),
        ("correction: {enabled: 1}", "mine.yaml:1: correction.enabled: must be a valid boolean, not 1"),
        ("description: 3", "mine.yaml:1: description: must be a valid string, not 3"),
        ("correction: {widnow: 4}", "mine.yaml:1: correction.widnow: unknown key; did you mean window?"),
        ("window: 4", "mine.yaml:1: window: unknown key; known are schema_version, extends, description, source"),
        ("name: x", "mine.yaml:1: name: unknown key; a profile is named by its file"),
        ("draft: 3", "mine.yaml:1: draft: must be a mapping of keys to values"),
        ("draft:", "mine.yaml:1: draft: must be a mapping of keys to values"),
        ("draft: {keep: [0.5]}", "mine.yaml:1: draft.keep: must be a single value"),
        ("\ndraft: {}\ndraft: {}", "mine.yaml:3: draft: given twice, first at mine.yaml:2"),
        ("extends: 3", "mine.yaml:1: extends: must be a profile's name or file"),
        ("schema_version: 2\nnews: 1", "mine.yaml:1: schema_version: is 2, this program reads up to 1"),
        ("schema_version: 0", "mine.yaml:1: schema_version: must be 1, not 0"),
        ("schema_version: true", "mine.yaml:1: schema_version: must be 1, not True"),
        ("schema_version: new", "mine.yaml:1: schema_version: must be 1, not 'new'"),
        ("- a", "mine.yaml:1: a profile is a mapping of keys to values"),
        ("", "mine.yaml:1: a profile is a mapping of keys to values"),
        ("a: 1\nb: [", "mine.yaml:2: not YAML: "),
        ("\x00", "mine.yaml: not YAML: special characters are not allowed"),
        ("? [a]\n: 1", "mine.yaml:1: a key must be a plain word"),
        ("source: !!python/object/apply:os.getcwd []", "mine.yaml:1: source: must be a single value"),
        ("source: !!python/name:os.getcwd x", "mine.yaml:1: source: not a plain value: could not determine"),
        ("source: &a [*a]", "mine.yaml:1: source: must be a single value"),
        ("draft: {keep: !!int x}", "mine.yaml:1: draft.keep: not a plain value: "),
        ('"\\e[2J": 1', r"mine.yaml:1: '\x1b[2J': unknown key"),
    ],
)
def test_one_fault_is_told_with_its_line(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(fault)
    assert "\n" not in found


def test_endless_nesting_is_a_fault() -> None:
    assert faults("[" * 5000) == ["mine.yaml: not YAML: nested too deeply"]


def test_all_faults_at_once_in_the_order_of_lines() -> None:
    text = "draft:\n  keep: 2\n  kep: 1\ncolour: red\ncorrection:\n  window: 0\n  accept: maybe\n  window: 3\n"
    lines = [fault.split(": ")[0:2] for fault in faults(text)]
    assert lines == [
        ["mine.yaml:2", "draft.keep"],
        ["mine.yaml:3", "draft.kep"],
        ["mine.yaml:4", "colour"],
        ["mine.yaml:6", "correction.window"],
        ["mine.yaml:7", "correction.accept"],
        ["mine.yaml:8", "correction.window"],
    ]


@given(st.binary(max_size=60) | st.text("ab:{}[],&*!?-|>%@#'\" \n1", max_size=40).map(str.encode))
def test_no_content_makes_the_reader_crash(content: bytes) -> None:
    parse("any.yaml", content)


def test_a_faulty_file_is_one_usage_error_on_one_line(own: Path) -> None:
    (own / "mine.yaml").write_text("draft: {keep: 0}\ncorrection: {window: 0}\n")
    with pytest.raises(ProfileError) as caught:
        catalogue.load("mine")
    assert caught.value.exit_code is ExitCode.USAGE
    assert [fault.place for fault in caught.value.faults] == [f"{own / 'mine.yaml'}:1", f"{own / 'mine.yaml'}:2"]
    assert "\n" not in str(caught.value)


def test_an_own_profile_stands_beside_and_extends_a_shipped_one(own: Path) -> None:
    (own / "mine.yaml").write_text("extends: sirius\ndraft:\n  keep: 0.3\n")
    assert "mine" in [source.name for source in catalogue.sources()]
    loaded = catalogue.load("mine")
    assert loaded.values["draft.keep"] == 0.3
    assert loaded.places["draft.keep"] == f"{own / 'mine.yaml'}:3"
    assert loaded.values["correction.window"] == 16
    assert loaded.places["correction.window"].startswith("profiles/sirius.yaml:")
    assert loaded.description == ""


def test_extending_goes_through_files_and_names(own: Path) -> None:
    (own / "base.yaml").write_text("extends: exact\ncorrection: {window: 5}\n")
    (own / "middle.yaml").write_text("extends: base\ncorrection: {threshold: 0.2}\n")
    (own / "leaf.yaml").write_text("extends: ./middle.yaml\ncorrection: {threshold: 0.3}\n")
    values = catalogue.load(str(own / "leaf.yaml")).values
    assert (values["correction.window"], values["correction.threshold"]) == (5, 0.3)
    assert values["correction.accept"] == "exact"


def test_an_own_sirius_hides_and_may_extend_the_shipped_one(own: Path) -> None:
    (own / "sirius.yaml").write_text("extends: sirius\ncorrection: {window: 8}\n")
    loaded = catalogue.load("sirius")
    assert (loaded.values["correction.window"], loaded.values["draft.method"]) == (8, "coarse")
    assert [source.shipped for source in catalogue.sources() if source.name == "sirius"] == [False]


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_a_circle_is_named(own: Path, names: list[str]) -> None:
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        (own / f"{name}.yaml").write_text(f"extends: ./{following}.yaml\n")
    with pytest.raises(ProfileError, match=" -> ".join([*names, names[0]])) as caught:
        catalogue.load("a")
    assert f"{names[-1]}.yaml:1: extends: " in str(caught.value)


def test_what_is_extended_must_exist_and_be_sound(own: Path) -> None:
    (own / "mine.yaml").write_text("draft: {keep: 0}\nextends: siruis\n")
    with pytest.raises(ProfileError, match=r"mine\.yaml:1: draft\.keep.*mine\.yaml:2: extends: .*did you mean sirius"):
        catalogue.load("mine")
    (own / "mine.yaml").write_text("extends: ./base.yaml\n")
    (own / "base.yaml").write_text("\ndraft: {keep: 0}\n")
    with pytest.raises(ProfileError, match=r"base\.yaml:2: draft\.keep"):
        catalogue.load("mine")


@pytest.mark.parametrize(
    ("spec", "words"),
    [("siruis", "did you mean sirius"), ("zzz", "there are coarse, dense"), ("no/such.yaml", "no profile file")],
)
def test_an_unknown_profile(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        catalogue.load(spec)


def test_a_file_that_cannot_be_read(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "mine.yaml").write_text("")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ProfileError, match=r"mine\.yaml: cannot be read: Permission denied"):
        catalogue.load("mine")
