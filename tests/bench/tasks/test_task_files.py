"""Files of problems that do not fit, and options that do not go together: each is told in one line."""

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from task_cases import CASES, GSM8K_ROWS, MMLU_ROW, failure, write

from sirius_cli.errors import EnvironmentProblem, ModelError, UsageError
from sirius_cli.services.bench.tasks import harness
from sirius_cli.services.bench.tasks.catalogue import load_tasks

WRONG_ROWS = [
    ("gsm8k", {"question": "?"}, "the field answer must be there"),
    ("gsm8k", {"question": "?", "answer": None}, "the field answer must be there"),
    ("gsm8k", {"question": 3, "answer": "#### 3"}, "question must be a text, not 3"),
    ("gsm8k", {"question": "?", "answer": "3"}, "answer must end with #### and the number"),
    ("gsm8k_cot", {}, "the fields question, answer must be there"),
    ("aqua", {"question": "?", "correct": "A"}, "the field options must be there"),
    ("aqua", {"question": "?", "options": "A)1", "correct": "A"}, "options must be a list of texts, not 'A)1'"),
    ("aqua", {"question": "?", "options": [1, 2], "correct": "A"}, "options must be a list of texts, not [1, 2]"),
    ("aqua", {"question": "?", "options": ["1", "2"], "correct": "A"}, 'options must begin with "A)", "B)" and so on'),
    ("aqua", {"question": "?", "options": ["A)1"], "correct": "B"}, "correct must name an option, not 'B'"),
    (
        "csqa",
        {"question": "?", "choices": ["x"], "answerKey": "A"},
        "the fields choices.label, choices.text must be there",
    ),
    (
        "csqa",
        {"question": "?", "choices": {"label": ["A", "C"], "text": ["x", "y"]}, "answerKey": "A"},
        "choices.label must be A, B and so on",
    ),
    (
        "csqa",
        {"question": "?", "choices": {"label": ["A", "B"], "text": ["x"]}, "answerKey": "A"},
        "choices.label and choices.text must be of one length",
    ),
    (
        "csqa",
        {"question": "?", "choices": {"label": ["A"], "text": ["x"]}, "answerKey": "B"},
        "answerKey must be a label, not 'B'",
    ),
    ("strategyqa", {"question": "?", "answer": "yes"}, "answer must be true or false, not 'yes'"),
    ("date", {"input": "?"}, "the field target must be there"),
    ("humaneval", {"prompt": "def f():"}, "the fields entry_point, test must be there"),
    ("mbpp_plus", {"prompt": "?", "test": ""}, "the field test_list must be there"),
    ("mmlu_flan_cot", {**MMLU_ROW, "subject": "x", "answer": True}, "answer must be a whole number, not True"),
    ("mmlu_flan_cot", {**MMLU_ROW, "subject": "x", "answer": 4}, "answer must be a number from 0 to 3, not 4"),
    ("mmlu_flan_cot", {**MMLU_ROW, "subject": "x", "choices": ["1"]}, "choices must be 4, not 1"),
    (
        "coqa",
        {"story": "", "questions": {"input_text": ["?"]}, "answers": {"input_text": []}},
        "there must be as many answers as questions, and one at least",
    ),
    (
        "truthfulqa",
        {"question": "?", "correct_answers": [], "incorrect_answers": []},
        "incorrect_answers must not be empty",
    ),
]


@pytest.mark.parametrize(("name", "row", "problem"), WRONG_ROWS, ids=lambda value: str(value)[:30])
def test_rows_that_do_not_fit_name_their_line(name: str, row: dict[str, Any], problem: str, tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", [CASES[name].rows[0], row])
    error = failure(name, data)
    assert isinstance(error, ModelError)
    assert error.message == f"{data}:2: {problem}"
    assert error.hint.startswith(f"{name} needs ")


def test_what_a_worked_example_lacks_is_told_too(tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", CASES["aqua"].rows)
    shots = write(tmp_path / "shots.jsonl", [CASES["aqua"].rows[1]])
    error = failure("aqua", data, shots=shots)
    assert error.message == f"{shots}:1: the field rationale must be there"
    assert error.hint.endswith("rationale (a text)")


def test_an_unknown_subject_names_its_line(tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", [{**MMLU_ROW, "subject": "anatomi"}])
    message = f"{data}:1: mmlu_flan_cot has no subject 'anatomi'; did you mean anatomy?"
    assert str(failure("mmlu_flan_cot", data)) == message


BROKEN = {
    b'{"question": "?"}\n{"question": \n': ":2: not JSON: Expecting value; give one JSON object a line",
    b'\n["question"]\n': ":2: not a JSON object; give one JSON object a line",
    b'{"question": "\xff"}\n': ":1: not JSON: invalid start byte; give one JSON object a line",
    b"[" * 200_000: ":1: not JSON: nested too deeply; give one JSON object a line",
    b"\n\n": " holds no problem; give a file with one JSON object a line",
    b"": " holds no problem; give a file with one JSON object a line",
}


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: repr(content[:20]))
def test_broken_files_name_their_line(content: bytes, tmp_path: Path) -> None:
    data = tmp_path / "problems.jsonl"
    data.write_bytes(content)
    error = failure("gsm8k", data)
    assert isinstance(error, ModelError)
    assert str(error) == f"{data}{BROKEN[content]}"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(json.dumps(GSM8K_ROWS[0]).encode())[:-10])
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(b"\x1f\x8bnothing of the kind")
    for path, reason in [
        (tmp_path / "none.jsonl", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (cut, "Compressed file ended before the end-of-stream marker was reached"),
        (torn, "Unknown compression method"),
    ]:
        error = failure("gsm8k", path)
        assert isinstance(error, ModelError)
        assert str(error) == f"cannot read {path}: {reason}; check the file"


PERMIT = " runs programs that the model wrote; permit it with --allow-code-execution"


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", GSM8K_ROWS)
    choices = {"num_fewshot": None, "seed": 1, "allow_code": False}
    for names, settings, message in [
        ([], {"data": None}, "there is no task to run; name one, for instance gsm8k"),
        (["gsm8k", "aqua"], {"data": data}, "--data is for one task, not for gsm8k, aqua; run them one after another"),
        (["gsm8k"], {"data": None, "shots": data}, "--shots is for problems from a file; give --data too"),
        (["gsm8k"], {"data": data, "num_fewshot": -1}, "--num-fewshot cannot be -1; give 0 or more"),
        (
            ["gsm8k"],
            {"data": data, "shots": data, "num_fewshot": 0},
            f"gsm8k shows no worked examples, so {data} is of no use; say how many with --num-fewshot",
        ),
        (["humaneval"], {"data": None}, f"humaneval{PERMIT}"),
        (["mbpp_plus"], {"data": None}, f"mbpp_plus{PERMIT}"),
    ]:
        with pytest.raises(UsageError) as caught:
            load_tasks(names, **{**choices, **settings})
        assert str(caught.value) == message


def test_a_task_named_twice_is_loaded_once(tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", GSM8K_ROWS)
    tasks = load_tasks(["gsm8k", "gsm8k"], data=data, num_fewshot=None, seed=1, allow_code=False)
    assert list(tasks) == ["gsm8k"]


def test_without_lm_eval_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lm_eval", "lm_eval.api.task", "lm_eval.tasks"):
        monkeypatch.setitem(sys.modules, name, None)
    error = failure("gsm8k", None)
    assert isinstance(error, EnvironmentProblem)
    assert error.message.startswith("benchmarks need lm-eval: ")
    assert error.hint == "run pip install 'sirius-llm[eval]'"


def test_an_lm_eval_without_the_task_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "OWN_TASKS", Path(__file__).parent)
    error = failure("aqua", None)
    assert isinstance(error, EnvironmentProblem)
    assert re.fullmatch(r"lm-eval [\d.]+ has no task aqua, which aqua stands for", error.message)
