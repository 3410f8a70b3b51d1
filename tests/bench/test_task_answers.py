"""What is taken for the answer in what a model wrote, and what for its code."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from sirius_cli.services.bench.tasks import numpy_stand_in
from sirius_cli.services.bench.tasks.answers import NO_ANSWER, bracketed_letters, letter_of, yes_or_no_of
from sirius_cli.services.bench.tasks.programs import code_in, completed_program, solution_program
from sirius_cli.services.bench.tasks.texts import exact, f1, score_conversation, score_summary, summary_in

LETTERS = [
    ("The answer is (B).", "B"),
    ("the answer is (B)", "B"),
    ("So the answer is B.", "B"),
    ("answer is B", "B"),
    ("the answer is (b).", "B"),
    ("The answer is **(B)**.", "B"),
    ("The answer is **B**.", "B"),
    ("The **answer** is **B) 6000**", "B"),
    ("The correct answer is option B.", "B"),
    ("The correct option is B, since 3 < 4.", "B"),
    ("The answer is: (B)", "B"),
    ("Answer: B", "B"),
    ("**Answer:** (B) 6000", "B"),
    ("**Answer: B**", "B"),
    ("Final answer:\n\n(B)", "B"),
    ("The final answer is $\\boxed{B}$.", "B"),
    ("The answer is $\\boxed{\\text{(B)}}$", "B"),
    ("The answer to the question is (B).", "B"),
    ("The answer must be B.", "B"),
    ("Half of it is 3.\nSo the answer is (B).\n\nThat leaves 3.", "B"),
    ("The answer is (A)? No, that is too much. The answer is (B).", "B"),
    ("The answer is (B), because option A is too much.", "B"),
    ("The answer is not (A). It is half of that, 6000 (B).", "B"),
    ("That makes 9 in all.\n**(B)**", "B"),
    ("(B)", "B"),
    ("B", "B"),
    ("B)", "B"),
    ("B. kitchen drawer", "B"),
    ("B) 6000", "B"),
    ("It must be 6000, that is (B).", "B"),
    ("The answer is 6000.", NO_ANSWER),
    ("The answer is a number.", NO_ANSWER),
    ("The answer is Bob's.", NO_ANSWER),
    ("A good way to begin is to look at (A).\nThen there is more to do", NO_ANSWER),
    ("I do not know.", NO_ANSWER),
    ("", NO_ANSWER),
]
YES_NO = [
    ("So the answer is yes.", "yes"),
    ("so the answer is yes", "yes"),
    ("The answer is **yes**.", "yes"),
    ("The answer is: Yes", "yes"),
    ('The answer is "yes".', "yes"),
    ("Answer: Yes, it would.", "yes"),
    ("**Answer:** YES", "yes"),
    ("Bach died in 1750. Sound was recorded later. So the answer is no.", "no"),
    ("The answer is no, because there is no reason to say yes.", "no"),
    ("The answer is yes. Wait, that is wrong. The answer is no.", "no"),
    ("A whale is longer than a bus.\nNo, it would not fit.", "no"),
    ("A whale is longer than a bus.\n**No**", "no"),
    ("A whale is longer than a bus. Thus, no.", "no"),
    ("No. A whale is longer than a bus.", "no"),
    ("Yes", "yes"),
    ("There is no bus that long, so no one knows.", NO_ANSWER),
    ("The answer is notable.", NO_ANSWER),
    ("Nobody knows.", NO_ANSWER),
    ("", NO_ANSWER),
]


@pytest.mark.parametrize(("text", "letter"), LETTERS)
def test_letters_are_found_however_they_are_put(text: str, letter: str) -> None:
    assert letter_of(text) == letter


@pytest.mark.parametrize(("text", "word"), YES_NO)
def test_yes_and_no_are_found_however_they_are_put(text: str, word: str) -> None:
    assert yes_or_no_of(text) == word


def test_letters_in_brackets_are_only_letters() -> None:
    assert bracketed_letters([["It is B. Answer: B", "no idea"]], [{}]) == [["(B)", NO_ANSWER]]


def test_a_long_text_without_an_answer_takes_no_time() -> None:
    assert letter_of("the answer is " + "\\text " * 50_000) == NO_ANSWER
    assert yes_or_no_of("answer " * 50_000) == NO_ANSWER


PROMPT = 'import math\n\n\ndef area(r):\n    """The area of a circle."""\n'
BODY = "    return math.pi * r**2\n"
AREA = {"prompt": PROMPT, "entry_point": "area", "test": "def check(candidate):\n    assert 12 < candidate(2) < 13"}
WHOLE = "def area(r):\n" + BODY
COMPLETIONS = {
    "plain": BODY,
    "after an empty line": "\n" + BODY,
    "with a closing fence": BODY + "```\n\nThis uses pi.",
    "block with the function": f"Here it is:\n\n```python\n{WHOLE}```\nIt uses pi.",
    "block without an end": f"```python\n{WHOLE}",
    "block without a language": f"Here it is:\n```\n{WHOLE}\n```",
    "block with the body": f"```python\n{BODY}```",
    "block in capitals": f"```Python\n{PROMPT}{BODY}\n```",
    "whole function without a block": "\n\n" + WHOLE,
    "two blocks": f"```python\n{WHOLE}```\nUse it so:\n```python\narea(3) / 0\n```",
}


@pytest.mark.parametrize("form", COMPLETIONS)
def test_a_completed_function_runs_with_its_tests(form: str) -> None:
    exec(compile(completed_program(AREA, COMPLETIONS[form]), form, "exec"), {})


@pytest.mark.parametrize("response", ["    return 1\n", "```python\ndef area(r):\n    return 1\n```", "", "I cannot."])
def test_a_wrong_function_does_not_run_to_its_end(response: str) -> None:
    with pytest.raises((AssertionError, SyntaxError, TypeError)):
        exec(compile(completed_program(AREA, response), "wrong", "exec"), {})


def test_a_solution_comes_with_what_its_tests_import() -> None:
    doc = {"test_imports": ["import math"], "test": "assert math.isclose(half(3), 1.5)"}
    exec(solution_program(doc, "```python\ndef half(n):\n    return n / 2"), {})
    exec(
        solution_program({"test": "assert half(3) == 1.5", "test_imports": None}, "def half(n): return n / 2\n```"), {}
    )


NUMPY_TEST = """
import numpy as np
out, exp = halves([1, 3]), [0.5, 1.5]
assert not isinstance(out, np.ndarray)
assert out == exp or np.allclose(out, exp, rtol=1e-07, atol=1e-6)
"""


@pytest.mark.parametrize(("divisor", "status"), [("2.0000001", 0), ("2.1", 1)])
def test_tests_that_compare_with_numpy_need_none(divisor: str, status: int) -> None:
    program = solution_program({"test": NUMPY_TEST}, f"def halves(ns):\n    return [n / {divisor} for n in ns]")
    bare = [sys.executable, "-I", "-S", "-c"]
    assert subprocess.run([*bare, "import numpy"], capture_output=True).returncode == 1
    assert subprocess.run([*bare, program], capture_output=True).returncode == status


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1.0, 1.0 + 1e-9),
        (1.0, 1.1),
        (True, 1),
        (1j, 1j + 1e-9),
        (INF, INF),
        (INF, -INF),
        (1.0, INF),
        (INF, 1.0),
        (NAN, NAN),
        ([], []),
        ([], [1.0]),
        ([1.0, 2.0], (1.0, 2.0 + 1e-9)),
        ([1.0, 2.0], [1.0, 2.1]),
        ([1.0, 1.0], 1.0),
        (1.0, [1.0, 2.0]),
        ([1.0], [1.0, 1.0]),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
        ([1.0, 2.0], [1.0, 2.0, 3.0]),
        (["a"], [1.0]),
        ("a", "a"),
    ],
)
def test_numbers_are_compared_as_numpy_compares_them(a: Any, b: Any) -> None:
    def verdict(module: Any) -> bool:
        try:
            return bool(module.allclose(a, b, rtol=1e-07, atol=1e-6))
        except (TypeError, ValueError):
            return False

    assert verdict(numpy_stand_in) == verdict(np)


def test_code_of_a_continuation_stays_as_it_is() -> None:
    assert code_in("    x = 1\n    return x\n") == "    x = 1\n    return x\n"


@pytest.mark.parametrize(
    ("answer", "gold", "same", "overlap"),
    [
        ("The red house.", "red house", 1, 1),
        ("a house", "red house", 0, 2 / 3),
        ("a tree", "red house", 0, 0),
        ("", "red house", 0, 0),
        ("the", "a", 1, 1),
    ],
)
def test_short_answers_are_compared_by_words(answer: str, gold: str, same: float, overlap: float) -> None:
    assert exact(answer, gold) == same
    assert f1(answer, gold) == pytest.approx(overlap)


def test_of_several_peoples_answers_each_is_left_out_in_turn() -> None:
    doc = {
        "answers": {"input_text": ["?", "a red house"]},
        "additional_answers": {"0": {"input_text": ["?", "red"]}, "1": {"input_text": ["?", "Red"]}, "2": None},
    }
    scores = score_conversation(doc, ["red\nIt is red."])
    assert scores == {"em": 0.5, "f1": pytest.approx((1 + 2 / 3) / 2)}


def test_a_summary_is_its_first_paragraph_of_substance() -> None:
    assert summary_in("Here is a summary:\n\nA storm hit.\nTrees fell.\n\nArticle:") == "A storm hit.\nTrees fell."
    assert summary_in("Summary:\n\n") == ""


def test_a_summary_without_words_scores_nothing() -> None:
    assert score_summary({"highlights": "A storm hit."}, [""]) == {"rouge1": 0, "rouge2": 0, "rougeL": 0}
