"""Conditions choose, columns sort, and what makes no sense is told in one line."""

import pytest
from correction_streams import inspection

from sirius_cli.errors import UsageError
from sirius_cli.services.inspection.facts import Correction
from sirius_cli.services.inspection.selection import NUMBERS, TEXTS, parse_sort, select

ALL = inspection().corrections


def indices(*filters: str, sort: str | None = None, top: int | None = None) -> list[int]:
    return [c.index for c in select(ALL, filters, sort, top)]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("class=number", lambda c: c.token_class == "number"),
        ("class!=number", lambda c: c.token_class != "number"),
        ("index<20", lambda c: c.index < 20),
        ("index >= 22", lambda c: c.index >= 22),
        ("p=0.7", lambda c: True),
        ("dense=180", lambda c: c.dense == " 180"),
        ("text~^ 1", lambda c: c.draft.startswith(" 1") or c.dense.startswith(" 1")),
        ("draft!~\\d", lambda c: not any(map(str.isdigit, c.draft))),
        ("context~o'clock", lambda c: "o'clock" in c.after),
        ("run=run", lambda c: True),
    ],
)
def test_conditions(condition: str, holds: object) -> None:
    assert callable(holds)
    expected = [c.index for c in ALL if holds(c)]
    assert expected
    assert indices(condition) == expected


def test_all_conditions_must_hold() -> None:
    assert indices("class=number", "index>40") == [c.index for c in ALL if c.token_class == "number" and c.index > 40]


def test_sorting_both_ways_and_top() -> None:
    by_q = [c.q for c in select(ALL, sort="q")]
    assert by_q == sorted(by_q, key=lambda q: q or 0)
    assert [c.q for c in select(ALL, sort="-q")] == sorted(by_q, key=lambda q: q or 0, reverse=True)
    assert indices(sort="-index", top=2) == sorted((c.index for c in ALL), reverse=True)[:2]


def test_what_is_unknown_comes_last_and_fulfils_nothing() -> None:
    from dataclasses import replace

    unknown = replace(ALL[0], q=None, index=1000)
    assert [c.index for c in select([unknown, *ALL], sort="-q")][-1] == 1000
    assert [c.index for c in select([unknown, *ALL], sort="q")][-1] == 1000
    assert 1000 not in [c.index for c in select([unknown, *ALL], ["q<2"])]


@pytest.mark.parametrize("name", [*NUMBERS, *TEXTS])
def test_every_column_sorts(name: str) -> None:
    order = parse_sort(name)
    assert sorted(c.index for c in order(ALL)) == sorted(c.index for c in ALL)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("number", "is no condition"),
        ("", "is no condition"),
        ("colour=red", "the columns are"),
        ("class=digit", "the classes are number, operator"),
        ("p<small", "no number"),
        ("p~0.3", "looks for text in a number"),
        ("text<3", "compares text by size"),
        ("text~(", "faulty regular expression"),
    ],
)
def test_bad_conditions_are_one_clear_line(condition: str, told: str) -> None:
    with pytest.raises(UsageError) as problem:
        select((), [condition])
    assert told in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no column 'size'"):
        parse_sort("-size")


def test_selecting_nothing_gives_nothing() -> None:
    nothing: tuple[Correction, ...] = ()
    assert select(nothing, ["class=number"], "p") == ()
