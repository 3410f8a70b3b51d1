"""What all tests share."""

import os
from pathlib import Path

import pytest

# Before any library starts its threads: test processes share few cores, and waiting threads would hold them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process begins with what takes longest, another compiles the CPU's kernels meanwhile, once for both."""
    early = ["test_triton.py", "test_speed_model.py", "test_gpu_suite.py"]
    items.sort(key=lambda item: early.index(item.path.name) if item.path.name in early else len(early))


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The built-in model: fetched and converted once into the user's data folder, where later runs find it."""
    from sirius_cli.services import models

    return models.resolve("builtin:smollm2").path
