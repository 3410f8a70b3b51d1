"""Two runs side by side: who is paired with whom, and where they part."""

from correction_streams import TEXT, WRONG, answer, inspection, words_of

from sirius_cli.services.inspection.comparison import compare


def test_a_run_against_itself_changes_nothing() -> None:
    both = compare(inspection(), inspection())
    (pair,) = both.requests
    assert both.by_prompt
    assert (pair.differs_at, pair.only_left, pair.only_right) == (None, (), ())
    assert {figure.change for figure in both.figures} <= {0, None}


def test_texts_that_part_tell_where() -> None:
    other = tuple(words_of(TEXT.replace("earlier", "later")))
    (pair,) = compare(inspection(), inspection(answer(other))).requests
    assert pair.differs_at == other.index(" later")
    assert (pair.left_token, pair.right_token) == (" earlier", " later")


def test_a_shorter_answer_parts_at_its_end() -> None:
    words = words_of(TEXT)
    (pair,) = compare(inspection(), inspection(answer(words[:30], {}))).requests
    assert (pair.differs_at, pair.left_token, pair.right_token) == (30, words[30], "")


def test_corrections_of_one_side_only() -> None:
    fewer = {index: word for index, word in WRONG.items() if index != 22} | {2: " left"}
    (pair,) = compare(inspection(), inspection(answer(wrong=fewer))).requests
    assert [c.index for c in pair.only_left] == [22]
    assert [c.index for c in pair.only_right] == [2]


def test_past_the_parting_places_do_not_compare() -> None:
    other = tuple(words_of(TEXT.replace("hours , so", "hours ; so")))
    (pair,) = compare(inspection(), inspection(answer(other, {}))).requests
    assert pair.differs_at is not None
    assert [c.index for c in pair.only_left] == [i for i in sorted(WRONG) if i <= pair.differs_at]


def test_answers_are_paired_by_the_lengths_of_their_prompts() -> None:
    left = inspection(answer(prompt=10), answer(prompt=20), answer(prompt=30))
    right = inspection(answer(prompt=10), answer(prompt=30), answer(prompt=40))
    both = compare(left, right)
    numbers = [(p.left and p.left.number, p.right and p.right.number) for p in both.requests]
    assert numbers == [(1, 1), (2, None), (3, 2), (None, 3)]


def test_answers_are_paired_in_order_where_no_prompt_agrees() -> None:
    both = compare(inspection(answer(prompt=10), answer(prompt=11)), inspection(answer(prompt=20)))
    assert not both.by_prompt
    assert [(p.left and p.left.number, p.right and p.right.number) for p in both.requests] == [(1, 1), (2, None)]
