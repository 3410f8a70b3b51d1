"""Tiny models on disk, made once a session and shared by the tests of the engine."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
# Needs a process of its own, see tests/without_gpu/test_triton.py.
collect_ignore = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_engine_triton.py"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, object]]:
    """Give folder and transformers model of a variant of :mod:`tiny_models`. Do not write to the folder."""
    from tiny_models import save_model

    made: dict[str, tuple[Path, object]] = {}

    def make(name: str) -> tuple[Path, object]:
        if name not in made:
            folder = tmp_path_factory.mktemp("tiny") / name
            made[name] = (folder, save_model(folder, name))
        return made[name]

    return make
