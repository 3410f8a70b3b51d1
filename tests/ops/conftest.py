"""Compiled kernels of these tests live in pytest's own cache, keyed by all their sources."""

import os

import pytest

from sirius_kernels import cpu_jit


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels(request):
    cpu_jit.load(request.config.cache.mkdir("kernels"), threads=os.cpu_count() or 1)
