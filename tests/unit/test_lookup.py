"""Look-ups in a text, against a search through all of it."""

from hypothesis import given
from hypothesis import strategies as st

from sirius_cli.engine.drafts.lookup import LONGEST, PLACES, Lookup, Match, TextIndex, Trust

TEXTS = st.lists(st.integers(0, 2), max_size=90)  # three tokens repeat themselves soon
LEAST = st.integers(1, 5)


def searched(text, least):
    """The longest match of the end of ``text``, the latest of equal ones, by trying every place."""
    best, tried = None, 0
    for end in range(len(text) - 1, least - 1, -1):
        length = 0
        while length < min(LONGEST, end) and text[end - 1 - length] == text[-1 - length]:
            length += 1
        if length >= least and tried < PLACES:
            tried += 1
            best = Match(length, end) if best is None or length > best.length else best
    return best


def indexed(text, least):
    index = TextIndex(least)
    index.extend(text)
    return index


@given(text=TEXTS, least=LEAST)
def test_the_longest_match_is_that_of_a_search_through_all_places(text, least):
    assert indexed(text, least).longest_match() == searched(text, least)


@given(text=st.lists(st.integers(0, 1), min_size=70, max_size=200), least=st.integers(1, 2))
def test_only_the_latest_places_are_compared(text, least):
    assert indexed(text, least).longest_match() == searched(text, least)


def test_of_thousands_of_places_the_oldest_are_passed_over():
    text = [7, 8, 9, *[1, 9] * PLACES, 7, 8, 9]
    assert indexed(text, 1).longest_match() == Match(1, len(text) - 3)
    assert indexed([7, 8, 9, *[1, 9] * (PLACES - 1), 7, 8, 9], 1).longest_match() == Match(3, 3)


@given(text=TEXTS, more=TEXTS, least=LEAST, data=st.data())
def test_cutting_leaves_the_text_as_if_it_had_not_gone_on(text, more, least, data):
    kept = data.draw(st.integers(0, len(text)))
    index = indexed(text, least)
    index.cut(kept)
    assert index.longest_match() == searched(text[:kept], least)
    index.extend(more)
    assert index.longest_match() == searched([*text[:kept], *more], least)


@given(text=TEXTS, least=LEAST, count=st.integers(1, 40))
def test_what_follows_a_match_is_a_copy_that_may_overlap_itself(text, least, count):
    index = indexed(text, least)
    match = index.longest_match()
    if match is None:
        return
    longer = [*text, *index.behind(match, count)]
    assert longer[len(text) :] == longer[match.end : match.end + count]
    assert len(longer) == len(text) + count


@given(text=TEXTS, least=LEAST, windows=st.lists(st.tuples(st.lists(st.integers(0, 2), max_size=4), st.integers(1, 4))))
def test_drafted_tokens_are_searched_behind_the_committed_text_and_then_forgotten(text, least, windows):
    lookup, committed = Lookup(least), list(text)
    for drafted, advance in windows:
        afresh = Lookup(least)
        assert lookup.continuation(committed, drafted, 6) == afresh.continuation(committed, drafted, 6)
        match = searched([*committed, *drafted], least)
        assert (match is None) == (lookup.continuation(committed, drafted, 6) == [])
        committed += range(advance)


def test_a_loop_is_continued_for_as_long_as_is_asked():
    assert Lookup(2).continuation([5, 1, 2, 3, 1, 2, 3, 1, 2], [], 7) == [3, 1, 2, 3, 1, 2, 3]


def test_failures_demand_longer_matches_and_a_success_takes_it_back():
    trust = Trust(3)
    demands = [trust.demand(100)]
    for accepted in (0, 1, 0, 0, 0):
        trust.judge(100, 15, accepted)
        demands.append(trust.demand(100))
    assert demands == [3, 6, 12, 24, LONGEST, LONGEST]
    trust.judge(100, 15, 2)
    assert trust.demand(100) == 3


def test_a_look_up_of_one_token_is_right_if_that_token_is():
    trust = Trust(3)
    trust.judge(100, 1, 1)
    assert trust.demand(100) == 3
    trust.judge(100, 1, 0)
    assert trust.demand(100) == 6


def test_what_was_demanded_is_forgiven_as_the_text_goes_on():
    trust = Trust(3)
    trust.judge(100, 15, 0)
    assert [trust.demand(length) for length in (100, 115, 116, 147, 148, 500)] == [6, 6, 5, 4, 3, 3]


def test_a_text_in_which_look_ups_fail_gets_fewer_of_them():
    lookup, text = Lookup(2), [1, 2, 3, 1, 2]
    assert lookup.continuation(text, [], 3) == [3, 1, 2]
    lookup.judge(3, 0)
    assert lookup.continuation(text, [], 3) == []
    assert lookup.continuation(text, [3, 1], 3) == [2, 3, 1]  # four tokens match: enough
