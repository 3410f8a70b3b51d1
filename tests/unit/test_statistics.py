"""Summaries agree with NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.core.statistics import quantile, summarise

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(VALUES, st.floats(0, 1))
def test_quantiles_are_numpys(values, fraction):
    assert quantile(values, fraction) == pytest.approx(float(np.quantile(values, fraction)), abs=1e-6)


@given(VALUES)
def test_a_summary_is_numpys(values):
    summary = summarise(values)
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(float(np.mean(values)), abs=1e-6)
    assert summary.median == pytest.approx(float(np.median(values)), abs=1e-6)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    assert summary.sd == pytest.approx(spread, rel=1e-6, abs=1e-3)
