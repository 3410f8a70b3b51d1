"""What all tests share."""

import os
from pathlib import Path

import pytest

# Before any library starts its threads: test processes share few cores, and waiting threads would hold them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first; it needs no kernels of the CPU, which another process compiles meanwhile."""
    items.sort(key=lambda item: item.path.parent.name != "without_gpu")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The built-in model: fetched and converted once into the user's data folder, where later runs find it."""
    from sirius_cli.services import models

    return models.resolve("builtin:smollm2").path
