"""What is packaged is what is there, and the repository keeps its house rules."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = {
    "sirius_cli": ROOT / "sirius_cli",
    "sirius_kernels": ROOT / "kernels" / "sirius_kernels",
    "sirius_profiles": ROOT / "profiles",
}
SOURCES = [path for folder in IMPORT_ROOTS.values() for path in sorted(folder.rglob("*.py"))]
LONGEST_FILE = 400
# Put together, so that this file does not hold what it looks for.
FOREIGN = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "--index" + "-url", "find" + "-links", "pypi" + r"\.org"]))


def setuptools_table() -> dict[str, object]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"])


def test_the_package_list_is_what_the_folders_hold() -> None:
    found = {
        ".".join((name, *file.parent.relative_to(folder).parts))
        for name, folder in IMPORT_ROOTS.items()
        for file in folder.rglob("__init__.py")
    }
    assert sorted(found) == setuptools_table()["packages"]


def test_every_module_is_in_a_package() -> None:
    assert [path for path in SOURCES if not (path.parent / "__init__.py").is_file()] == []


def test_kernels_is_no_package_of_ours() -> None:
    """A package of that name is Hugging Face's; ours would be taken for it."""
    assert not (ROOT / "kernels" / "__init__.py").exists()
    probe = "from transformers.utils import is_kernels_available; print(is_kernels_available())"
    result = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(_is_installed("kernels"))


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.slow
def test_the_wheel_holds_our_packages_and_their_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("sirius_cli", "kernels", "profiles"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run(command, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(IMPORT_ROOTS)
    shipped = {f"sirius_profiles/{path.name}" for path in (ROOT / "profiles").glob("*.yaml")}
    assert shipped
    assert shipped <= set(names)
    assert {"sirius_cli/py.typed", "sirius_kernels/py.typed"} <= set(names)


def test_no_file_speaks_of_one_machine() -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert ROOT / "pyproject.toml" in paths
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert found == []


def test_no_package_prints() -> None:
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == []


def test_files_stay_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}
