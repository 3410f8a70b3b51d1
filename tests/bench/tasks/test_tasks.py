"""The task catalogue: every short name on a made-up file, without a network."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from task_cases import CASES, GSM8K_ROWS, MMLU_ROW, failure, load, load_one, prompts, score, write

from sirius_cli.services.bench.tasks import local_data
from sirius_cli.services.bench.tasks.catalogue import SHORT_NAMES, higher_is_better, kind_of, metric_of


def test_the_catalogue_loads_nothing_heavy() -> None:
    code = (
        "import sys, sirius_cli.services.bench.tasks.catalogue\n"
        "sys.exit(' '.join({'lm_eval', 'datasets', 'torch', 'numpy', 'jinja2', 'rouge_score'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == ""


def test_every_short_name_is_tried_and_described_in_a_line() -> None:
    assert CASES.keys() == SHORT_NAMES.keys()
    for short in SHORT_NAMES.values():
        assert short.description
        assert len(short.description) < 120
        assert "\n" not in short.description


@pytest.mark.parametrize("name", CASES)
def test_a_short_name_runs_on_a_local_file(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    task = load_one(name, write(tmp_path / "problems.jsonl", case.rows))
    first, _ = prompts(task)
    assert case.examples.lower() in first.lower()
    assert case.question in first
    assert first.count(case.question) == 1
    assert kind_of(task) == "generate"
    assert metric_of(task) == case.metric
    assert higher_is_better(task)
    assert score(task, case.right)[0] == pytest.approx(case.best)
    assert score(task, case.wrong)[0] < case.best / 2


@pytest.mark.parametrize("name", CASES)
def test_worked_examples_come_from_a_file_in_its_order(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    data, shots = (tmp_path / f"{kind}.jsonl" for kind in ("problems", "shots"))
    write(data, case.rows)
    write(shots, [case.shot] * 3)
    if SHORT_NAMES[name].shot_fields is None:
        assert str(failure(name, data, shots=shots)) == f"{name} takes no worked examples; leave out --shots"
        return
    task = load_one(name, data, shots=shots, num_fewshot=2)
    first, second = prompts(task)
    before = first[: first.index(case.question)]
    assert before.count(case.shown) == 2
    assert second.startswith(before)


@pytest.mark.parametrize("name", ["aqua", "csqa", "strategyqa"])
def test_our_worked_examples_end_in_their_answers(name: str, tmp_path: Path) -> None:
    task = load_one(name, write(tmp_path / "problems.jsonl", CASES[name].rows))
    blocks = prompts(task)[0].split("\n\n")
    assert len(blocks) == task.config.num_fewshot + 1
    answers = [re.search(r"So the answer is (\([A-E]\)|yes|no)\.$", block) for block in blocks[:-1]]
    assert all(answers)
    # No answer stands out by how often it is right.
    found = [match[1] for match in answers if match]
    assert max(found.count(answer) for answer in found) <= len(found) / 2
    for row in task.config.fewshot_config.samples:
        assert local_data.problem_with(row, SHORT_NAMES[name].shot_fields or {}, SHORT_NAMES[name].check) == ""


def test_our_worked_problems_are_right() -> None:
    rows = yaml.safe_load((local_data._EXAMPLES / "gsm8k.yaml").read_text())
    assert len(rows) == 8
    for row in rows:
        steps = re.findall(r"<<([-+*/.\d]+)=(\d+)>>(\d+)", row["answer"])
        assert steps
        for sum_, result, written in steps:
            assert eval(sum_) == int(result) == int(written)
        assert row["answer"].endswith(f"\n#### {steps[-1][1]}")


def test_our_worked_programs_pass_their_tests(tmp_path: Path) -> None:
    task = load_one("mbpp_plus", write(tmp_path / "problems.jsonl", CASES["mbpp_plus"].rows))
    assert len(task.config.fewshot_config.samples) == 3
    for row in task.config.fewshot_config.samples:
        exec("\n".join([row["code"], *row["test_list"]]), {})


def test_own_examples_need_no_data_set_and_their_number_is_free(tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", GSM8K_ROWS)
    assert [prompts(load_one("gsm8k", data, num_fewshot=n))[0].count("####") for n in (0, 1, 8)] == [0, 1, 8]
    assert prompts(load_one("gsm8k", data))[0].count("####") == 5
    message = "gsm8k has 8 worked examples, not 9; lower --num-fewshot, or give --shots FILE"
    assert str(failure("gsm8k", data, num_fewshot=9)) == message


def test_problems_are_never_examples(tmp_path: Path) -> None:
    data = write(tmp_path / "problems.jsonl", CASES["humaneval"].rows)
    assert failure("humaneval", data, num_fewshot=1).message == "humaneval has 0 worked examples, not 1"


def test_compressed_files_are_read(tmp_path: Path) -> None:
    data = tmp_path / "problems.jsonl.gz"
    data.write_bytes(gzip.compress(json.dumps(GSM8K_ROWS[0]).encode() + b"\n\n"))
    assert len(load_one("gsm8k", data).eval_docs) == 1


def test_fields_that_a_task_does_not_read_may_hold_anything(tmp_path: Path) -> None:
    rows = [{**row, "notes": notes} for row, notes in zip(GSM8K_ROWS, (1, {"a": ["b"]}), strict=True)]
    assert len(load_one("gsm8k", write(tmp_path / "problems.jsonl", rows)).eval_docs) == 2


def test_a_field_that_may_be_missing_is_read_where_it_is(tmp_path: Path, sandbox: list[str]) -> None:
    row = CASES["mbpp_plus"].rows[0]
    bare = {name: value for name, value in row.items() if name != "test_imports"}
    task = load_one("mbpp_plus", write(tmp_path / "problems.jsonl", [bare, row]))
    prompts(task)
    assert score(task, CASES["mbpp_plus"].right) == [0, 1]
    assert [program.startswith("import math\n") for program in sandbox] == [False, True]


@pytest.mark.parametrize(("name", "wording"), [("date", "**Answer: (A)**"), ("sports", "**No**")])
def test_a_lenient_reading_counts_and_lm_evals_strict_one_is_beside_it(name: str, wording: str, tmp_path: Path) -> None:
    task = load_one(name, write(tmp_path / "problems.jsonl", CASES[name].rows))
    prompts(task)
    assert score(task, wording) == [1, 1]
    assert score(task, wording, "exact_match,get-answer") == [0, 0]


@pytest.mark.parametrize(
    ("response", "right"),
    [("It is 1000.\n#### 1,000", 1), ("So $1,000.00", 0), ("**1,000**", 1), ("The answer is 1000.", 1), ("", 0)],
)
def test_numbers_are_read_as_lm_eval_reads_them(response: str, right: int, tmp_path: Path) -> None:
    task = load_one("gsm8k", write(tmp_path / "problems.jsonl", GSM8K_ROWS))
    prompts(task)
    assert score(task, response)[1] == right


def as_chat(messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    return "".join(f"<{message['role']}>{message['content']}" for message in messages) + "<assistant>"


@pytest.mark.parametrize("name", ["humaneval", "mbpp_plus"])
def test_a_chat_is_asked_for_a_block_and_not_cut_off_in_front_of_it(name: str, tmp_path: Path) -> None:
    task = load_one(name, write(tmp_path / "problems.jsonl", CASES[name].rows))
    plain = prompts(task)[0]
    assert task.instances[0].args[1]["until"]
    chat = prompts(task, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=as_chat)[0]
    assert "```python" in chat
    assert chat.endswith("<assistant>")
    assert task.instances[0].args[1]["until"] == []
    assert score(task, f"Sure:\n\n{CASES[name].right}\n```\nDone.")[0] == (name == "mbpp_plus")
    assert prompts(task)[0] == plain
    assert task.instances[0].args[1]["until"]


def test_code_is_scored_by_the_sandbox_alone(tmp_path: Path, sandbox: list[str]) -> None:
    case = CASES["humaneval"]
    task = load_one("humaneval", write(tmp_path / "problems.jsonl", case.rows[:1]))
    prompts(task)
    assert sandbox == []
    assert score(task, case.right) == [1]
    row = case.rows[0]
    assert sandbox == [f"{row['prompt']}{case.right}\n\n{row['test']}\ncheck(add)\n"]


def test_a_group_is_split_by_its_field(tmp_path: Path) -> None:
    rows = [{**MMLU_ROW, "subject": subject} for subject in ("virology", "anatomy", "virology")]
    tasks = load("mmlu_flan_cot", write(tmp_path / "problems.jsonl", rows))
    sizes = {name: len(task.eval_docs) for name, task in tasks.items()}
    assert sizes == {"mmlu_flan_cot_fewshot_anatomy": 1, "mmlu_flan_cot_fewshot_virology": 2}
    assert "about anatomy" in prompts(tasks["mmlu_flan_cot_fewshot_anatomy"])[0]


def test_nothing_is_written_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("truthfulqa", "cnn_dailymail", "date", "gsm8k"):
        task = load_one(name, write(tmp_path / f"{name}.jsonl", CASES[name].rows))
        prompts(task)
        score(task, CASES[name].right)
    assert capfd.readouterr() == ("", "")
