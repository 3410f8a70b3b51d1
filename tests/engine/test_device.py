"""Where a model runs, and what is said when it cannot."""

import pytest
from numba.core.caching import CacheImpl

from sirius_cli.engine import device
from sirius_cli.errors import EnvironmentProblem


def unwritable(function):
    """What numba does where it finds no folder: the class that it would ask has no locators left."""

    class Nowhere(CacheImpl):
        _locator_classes = []  # noqa: RUF012 (numba declares it so)
        reduce = rebuild = check_cachable = None

    Nowhere.__abstractmethods__ = frozenset()
    return Nowhere(function)


def test_a_kernel_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(device.cpu_jit, "load", lambda folder, threads: unwritable(device.place))
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as caught:
        device.place("cpu", "float32", 1)
    assert caught.value.message == f"the compiled kernels cannot be kept in {tmp_path / 'cache' / 'kernels'}"
    assert "NUMBA_CACHE_DIR" in caught.value.hint


def test_other_failures_of_the_kernels_stay_what_they_are(monkeypatch):
    def fail(folder, threads):
        raise RuntimeError("something else")

    monkeypatch.setattr(device.cpu_jit, "load", fail)
    with pytest.raises(RuntimeError, match="something else"):
        device.place("cpu", "float32", 1)
