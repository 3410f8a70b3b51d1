"""Tasks of lm-eval itself, by its own names."""

from pathlib import Path

import pytest
from task_cases import failure, load_one, prompts, write

from sirius_cli.services.bench.tasks import harness
from sirius_cli.services.bench.tasks.catalogue import higher_is_better, kind_of, metric_of


@pytest.fixture
def few_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small part of lm-eval's tasks: reading all of them takes seconds."""
    import lm_eval.tasks

    root = Path(lm_eval.tasks.__file__).parent
    folders = [root / name for name in ("openbookqa", "wikitext", "humaneval", "squadv2", "qasper")]
    manager = lm_eval.tasks.TaskManager(include_path=folders, include_defaults=False)
    monkeypatch.setattr(harness, "_all_tasks", lambda: manager)


OPENBOOK_ROW = {
    "question_stem": "Ice is",
    "choices": {"text": ["cold", "hot", "dry", "loud"], "label": ["A", "B", "C", "D"]},
    "answerKey": "A",
}


def test_lm_evals_own_tasks_run_on_a_local_file(few_tasks: None, tmp_path: Path) -> None:
    task = load_one("openbookqa", write(tmp_path / "problems.jsonl", [OPENBOOK_ROW] * 2))
    assert (kind_of(task), metric_of(task), higher_is_better(task)) == ("choice", "acc,none", True)
    assert prompts(task)[0] == "Ice is"
    task = load_one("wikitext", write(tmp_path / "pages.jsonl", [{"page": "Some text ."}] * 2))
    assert (kind_of(task), metric_of(task), higher_is_better(task)) == ("perplexity", "word_perplexity,none", False)


def test_worked_examples_of_lm_evals_own_tasks_come_from_a_file(few_tasks: None, tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", [OPENBOOK_ROW])
    shots = write(tmp_path / "shots.jsonl", [{**OPENBOOK_ROW, "question_stem": "Snow is"}])
    task = load_one("openbookqa", data, shots=shots, num_fewshot=1)
    assert prompts(task)[0] == "Snow is cold\n\nIce is"
    assert failure("openbookqa", data, num_fewshot=1).message == "openbookqa has 0 worked examples, not 1"
    write(shots, [{"question_stem": "Snow is"}])
    error = failure("openbookqa", data, shots=shots, num_fewshot=1)
    assert str(error).startswith(f"{shots}:1: not what openbookqa reads: 'choices' is undefined; ")


def test_rows_that_lm_evals_own_tasks_cannot_read_are_named(few_tasks: None, tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", [{"question_stem": "Ice is"}])
    hint = "give the fields that allenai/openbookqa has"
    assert str(failure("openbookqa", data)) == f"{data}:1: not what openbookqa reads: 'choices' is undefined; {hint}"
    write(data, [{name: value for name, value in OPENBOOK_ROW.items() if name != "question_stem"}])
    assert str(failure("openbookqa", data)) == f"{data}:1: not what openbookqa reads: no question_stem; {hint}"
    write(data, [OPENBOOK_ROW, {**OPENBOOK_ROW, "answerKey": "E"}])
    assert failure("openbookqa", data).message.startswith(f"{data}:2: not what openbookqa reads: ")
    write(data, [OPENBOOK_ROW, {"question_stem": "Ice is"}])
    message = f"{data}:2: lacks answerKey, choices, which {data}:1 has; give all lines the same fields"
    assert str(failure("openbookqa", data)) == message
    write(data, [OPENBOOK_ROW, {**OPENBOOK_ROW, "choices": 3}])
    assert failure("openbookqa", data).message.startswith(f"{data}: not what openbookqa reads: ")


def test_tasks_that_cannot_run_here_are_refused(few_tasks: None, tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", [OPENBOOK_ROW])
    for name, message in {
        "humaneval_64": "humaneval_64 would run the model's programs without a sandbox; take humaneval or mbpp_plus",
        "squadv2": "squadv2 reads its data set itself and takes no local file; leave out --data",
        "qasper": "qasper is a group, and a local file is for one task; name one of its tasks",
        "openbookga": "there is no task openbookga; did you mean openbookqa?",
        "gsm8": "there is no task gsm8; did you mean gsm8k, gsm8k_cot?",
        "nothing": "there is no task nothing; run sirius bench tasks to see the short names",
    }.items():
        assert str(failure(name, data)) == message


@pytest.mark.slow
def test_all_of_lm_evals_names_are_known() -> None:
    error = failure("hellaswagg", None)
    assert "hellaswag" in error.hint
    assert error.hint.startswith("did you mean ")
