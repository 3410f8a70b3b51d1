"""Keeps by layer: their spelling, and what allocation promises."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sirius_cli.core.keeps import allocate, parse_keeps, spell_keeps
from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile

KEEPS = st.integers(1, 10_000).map(lambda parts: parts / 10_000)
GRID = (0.25, 0.5, 0.75, 1.0)


@given(st.lists(KEEPS, min_size=1, max_size=40))
def test_what_is_spelt_is_read_back(keeps: list[float]) -> None:
    assert parse_keeps(spell_keeps(keeps)) == tuple(keeps)
    assert spell_keeps(parse_keeps(spell_keeps(keeps))) == spell_keeps(keeps)


def test_equal_neighbours_are_told_once() -> None:
    assert spell_keeps([0.75, 0.4, 0.4, 0.4, 1.0]) == "0.75+3x0.4+1"
    assert DraftSpec(layers="0.50+0.5+1.0").layers == "2x0.5+1"
    assert DraftSpec(layers="none").layers == ""


@pytest.mark.parametrize(
    "text",
    ["0", "1.1", "0.5+", "+", "x0.5", "0x0.5", "1000x0.5", "999x0.5+0.5", "0.5,0.5", "-0.5", "half", "0.5 + 0.5", 0.5],
)
def test_other_texts_are_refused(text: object) -> None:
    with pytest.raises(ValidationError, match=r"Input should be none, or keeps above 0 and at most 1 with \+ between"):
        DraftSpec.model_validate({"layers": text})


def test_nothing_is_chosen_anew_without_a_check() -> None:
    coarse = Profile(draft=DraftSpec(refresh=1))
    assert coarse.refreshes
    assert not coarse.model_copy(update={"correction": CorrectionSpec(enabled=False)}).refreshes
    assert not Profile(draft=DraftSpec(method="fine", refresh=1)).refreshes


def test_words_tell_the_mean_and_the_range() -> None:
    assert DraftSpec(layers="0.9+2x0.3").words == "coarse 0.5 by layer 0.3-0.9"
    assert DraftSpec(refresh=1, lookup=3).words == "coarse 0.5 refresh 1 lookup 3"
    assert DraftSpec(method="fine", refresh=1).words == "fine 0.5"
    assert DraftSpec(method="fine", layers="0.9+2x0.3").words == "fine 0.5"
    assert DraftSpec(method="dense", precision="int8", layers="0.9+2x0.3").words == "dense int8 g32"


@given(
    curves=st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=6),
    mean=st.floats(0.25, 1.0),
)
def test_no_more_is_kept_than_by_one_keep_in_all_layers(curves: list[list[float]], mean: float) -> None:
    keeps = allocate(curves, GRID, mean)
    assert len(keeps) == len(curves)
    assert set(keeps) <= set(GRID)
    assert sum(keeps) <= mean * len(keeps) + 1e-5


@given(
    gains=st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=4),
    steps=st.integers(0, 12),
)
def test_where_every_step_gains_less_nothing_else_loses_less(gains: list[list[float]], steps: int) -> None:
    """All steps are spent, and the loss is that of the best of all ways to spend them."""
    layers, steps = len(gains), min(steps, 3 * len(gains))
    curves = []
    for row in gains:
        first, second, third = sorted(row, reverse=True)
        curves.append([first + second + third, second + third, third, 0.0])
    found = allocate(curves, GRID, 0.25 + 0.25 * steps / layers)
    assert sum(found) == pytest.approx(0.25 * layers + 0.25 * steps)
    ways = [way for way in product(range(4), repeat=layers) if sum(way) == steps]
    best = min(sum(curve[place] for curve, place in zip(curves, way, strict=True)) for way in ways)
    assert sum(curve[GRID.index(keep)] for curve, keep in zip(curves, found, strict=True)) == pytest.approx(best)


def test_a_step_that_gains_nothing_does_not_hide_the_one_behind_it() -> None:
    cliff, slope = [1.0, 1.0, 0.0, 0.0], [0.3, 0.2, 0.1, 0.0]
    assert allocate([cliff, slope], GRID, 0.5) == (0.75, 0.25)


def test_equal_layers_get_the_first_step_first() -> None:
    assert allocate([[1.0, 0.5, 0.2, 0.0]] * 2, GRID, 0.375) == (0.5, 0.25)
