"""The documents say what is: generated pages are fresh, links lead somewhere, named options and tests exist."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from sirius_cli.config.files import FIELDS
from sirius_cli.config.resolve import resolve_profile

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "kernels" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
SIRIUS_OPTION = re.compile(r"`--[^`\n]*`|`[^`\n]*\bsirius\b[^`\n]*`|^\s*(?:\S*/)?sirius .*$", re.MULTILINE)
PATH = re.compile(r"`((?:sirius_cli|kernels|profiles|tests|docs)/[\w./-]*)`")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_line_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == generator().render(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_paths_and_tests_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [path for path in PATH.findall(text) if not (ROOT / path).exists()] == []
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", text)
    assert [name for name in named if f"def {name}(" not in tests and not list(ROOT.glob(f"tests/*/{name}.py"))] == []


def test_every_field_of_a_profile_is_explained() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"| `{name}` |" not in page] == []


def test_the_values_of_shipped_profiles_are_told_as_they_are() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    told = re.findall(r"\| `([\w-]+)`[^|]*\| ([\w. ]+) \| [^|]*window (\d+), confidence ([\d.]+) \|", page)
    assert {name for name, *_ in told} == {"sirius", "sirius-fine", "exact", "exact-small", "turbo"}
    for name, words, window, confidence in told:
        draft, check = (getattr(resolve_profile(name, {}, {}).profile, part) for part in ("draft", "correction"))
        assert draft.words == words
        assert (check.window, check.confidence) == (int(window), float(confidence))


def test_the_test_command_is_one_and_the_same() -> None:
    command = "pytest -n 2 --dist loadfile"
    files = ("README.md", "CONTRIBUTING.md", "Makefile", ".ci/run")
    assert [file for file in files if command not in (ROOT / file).read_text().replace('pytest"', "pytest")] == []


def test_options_named_in_the_documents_exist() -> None:
    known = set(re.findall(r"--[a-z][a-z-]*", (ROOT / "docs" / "cli.md").read_text())) | {"--version", "--help"}
    for page in PAGES:
        commands = SIRIUS_OPTION.findall(page.read_text(encoding="utf-8"))
        used = {option for command in commands for option in re.findall(r"(?<![^\s`])--[a-z][a-z-]*", command)}
        assert used <= known, page.name
