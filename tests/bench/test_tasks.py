"""The task catalogue: every short name on a made-up file, without a network."""

import gzip
import json
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from sirius_cli.errors import EnvironmentProblem, ModelError, SiriusError, UsageError
from sirius_cli.services.bench.tasks import harness, local_data
from sirius_cli.services.bench.tasks.catalogue import (
    SHORT_NAMES,
    higher_is_better,
    kind_of,
    load_tasks,
    metric_of,
)

SANDBOX = "sirius_cli.services.bench.sandbox"


@dataclass(frozen=True)
class Case:
    """Two made-up problems of a task, and what is to come of them.

    ``examples`` and ``question`` are in the prompt of the first; the answers ``right`` and ``wrong`` are to it, and get
    the score ``best`` and a lower one. A worked example ``shot`` shows as ``shown``.
    """

    rows: list[dict[str, Any]]
    examples: str
    question: str
    right: str
    wrong: str
    metric: str
    best: float = 1.0
    shot: dict[str, Any] = field(default_factory=dict)
    shown: str = ""


GSM8K_ROWS = [
    {"question": "Ida has 2 hens and buys 3. How many has she?", "answer": "She has 2+3 = <<2+3=5>>5.\n#### 5"},
    {"question": "Ole has 9 pears and eats 1,000. How many?", "answer": "#### 1,000"},
]
MMLU_ROW = {"question": "Which is prime?", "choices": ["4", "6", "7", "8"], "answer": 2}
CASES = {
    "gsm8k": Case(
        GSM8K_ROWS,
        "a baker fills 4 trays",
        "Question: Ida has 2 hens and buys 3. How many has she?\nAnswer:",
        "She has 2+3 = 5 hens.\n#### 5",
        "She has 6 hens.\n#### 6",
        "exact_match,flexible-extract",
        shot={"question": "What is 1+1?", "answer": "It is 2.\n#### 2"},
        shown="Question: What is 1+1?\nAnswer: It is 2.\n#### 2\n\n",
    ),
    "gsm8k_cot": Case(
        GSM8K_ROWS,
        "15 trees",
        "Q: Ida has 2 hens and buys 3. How many has she?\nA:",
        "2 + 3 = 5. The answer is 5.",
        "The answer is 6.",
        "exact_match,flexible-extract",
        shot={"question": "What is 1+1?", "target": "It is 2. The answer is 2."},
        shown="Q: What is 1+1?\nA: It is 2. The answer is 2.\n\n",
    ),
    "aqua": Case(
        [
            {"question": "What is 6 / 2?", "options": ["A)2", "B)3", "C) 4"], "rationale": "It is 3.", "correct": "B"},
            {"question": "What is 6 - 2?", "options": ["A)2", "B)3", "C)4"], "correct": "C"},
        ],
        "A train travels 180 km",
        "Question: What is 6 / 2?\nOptions:\n(A) 2\n(B) 3\n(C) 4\nAnswer:",
        "6 / 2 = 3. So the answer is **(B)**.",
        "6 / 2 = 4. So the answer is (C).",
        "exact_match,get-answer",
        shot={"question": "What is 1+1?", "options": ["A)2", "B)3"], "rationale": "It is 2.", "correct": "A"},
        shown="1+1?\nOptions:\n(A) 2\n(B) 3\nAnswer: It is 2. So the answer is (A).\n\n",
    ),
    "csqa": Case(
        [
            {
                "question": "Where do fish live?",
                "choices": {"label": ["A", "B", "C"], "text": ["tree", "water", "oven"]},
                "answerKey": "B",
            }
        ]
        * 2,
        "look for a spoon",
        "Question: Where do fish live?\nOptions:\n(A) tree\n(B) water\n(C) oven\nAnswer:",
        "The correct answer is B.",
        "So the answer is (A).",
        "exact_match,get-answer",
        shot={
            "question": "Where do owls live?",
            "choices": {"label": ["A", "B"], "text": ["tree", "water"]},
            "rationale": "They fly.",
            "answerKey": "A",
        },
        shown="owls live?\nOptions:\n(A) tree\n(B) water\nAnswer: They fly. So the answer is (A).\n\n",
    ),
    "strategyqa": Case(
        [{"question": "Can a stone swim?", "answer": False}, {"question": "Can a duck swim?", "answer": True}],
        "grown blue whale",
        "Question: Can a stone swim?\nAnswer:",
        "Stones are heavier than water. So the answer is no.",
        "So the answer is yes.",
        "exact_match,get-answer",
        shot={"question": "Can a cat fly?", "rationale": "It has no wings.", "answer": False},
        shown="Question: Can a cat fly?\nAnswer: It has no wings. So the answer is no.\n\n",
    ),
    "date": Case(
        [{"input": "Today is 01/02/2001. Tomorrow?\nOptions:\n(A) 01/03/2001\n(B) 01/01/2001", "target": "(A)"}] * 2,
        "Christmas Eve of 1937",
        "Q: Today is 01/02/2001. Tomorrow?\nOptions:\n(A) 01/03/2001\n(B) 01/01/2001\nA: Let's think step by step.\n",
        "The day after is 01/03/2001. So the answer is (A)",
        "So the answer is (B).",
        "exact_match,flexible-extract",
        shot={"input": "Today is Monday. Tomorrow?", "target": "Tuesday comes next. So the answer is (A)."},
        shown="Tomorrow?\nA: Let's think step by step.\nTuesday comes next. So the answer is (A).\n\n",
    ),
    "sports": Case(
        [{"input": "Is it plausible that a rower scored a goal?", "target": "no"}] * 2,
        "Bam Adebayo",
        "Q: Is it plausible that a rower scored a goal?\nA: Let's think step by step.\n",
        "Rowers score no goals. So the answer is no. Let's break it down: a rower rows.",
        "So the answer is yes.",
        "exact_match,flexible-extract",
        shot={"input": "Is it plausible that a runner ran?", "target": "They run. So the answer is yes."},
        shown="a runner ran?\nA: Let's think step by step.\nThey run. So the answer is yes.\n\n",
    ),
    "humaneval": Case(
        [
            {
                "task_id": "Made/0",
                "prompt": 'def add(a, b):\n    """The sum."""\n',
                "entry_point": "add",
                "canonical_solution": "    return a + b\n",
                "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
            }
        ]
        * 2,
        "",
        'def add(a, b):\n    """The sum."""\n',
        "    return a + b\n",
        "    return a - b\n",
        "pass_at_1,none",
        shot={
            "prompt": 'def one():\n    """One."""\n',
            "entry_point": "one",
            "test": "",
            "canonical_solution": "    return 1\n",
        },
        shown='def one():\n    """One."""\n    return 1\n',
    ),
    "mbpp_plus": Case(
        [
            {
                "task_id": 1,
                "prompt": "Write a function that doubles a number.",
                "code": "def double(n): return 2 * n",
                "test_imports": ["import math"],
                "test_list": ["assert double(2) == 4"],
                "test": "assert math.isclose(double(1.5), 3)",
            }
        ]
        * 2,
        "count_initial",
        "Task: Write a function that doubles a number.\nIt is right if this holds:\n"
        "assert double(2) == 4\n\nSolution:\n",
        "```python\ndef double(n):\n    return 2 * n",
        "```python\ndef double(n):\n    return n",
        "pass_at_1,none",
        shot={"prompt": "Write one().", "test_list": ["assert one() == 1"], "test": "", "code": "def one(): return 1"},
        shown="Task: Write one().\nIt is right if this holds:\nassert one() == 1\n\n"
        "Solution:\n```python\ndef one(): return 1\n```\n\n",
    ),
    "mmlu_flan_cot": Case(
        [{**MMLU_ROW, "subject": "elementary_mathematics"}] * 2,
        "multiple choice questions (with answers) about elementary mathematics",
        "Q: Which is prime?\n(A) 4 (B) 6 (C) 7 (D) 8\nA: Let's think step by step.",
        "7 has no divisors. The answer is (C).",
        "The answer is (A).",
        "exact_match,get-answer",
        shot={"question": "Which is even?\n(A) 2 (B) 3", "target": "2 is. The answer is (A)."},
        shown="Q: Which is even?\n(A) 2 (B) 3\nA: 2 is. The answer is (A).\n\n",
    ),
    "coqa": Case(
        [
            {
                "story": "Tom has a dog. It is brown.",
                "questions": {"input_text": ["Who has a dog?", "Which colour is it?"]},
                "answers": {"input_text": ["Tom", "It is brown"]},
                "additional_answers": {"0": {"input_text": ["Tom", "brown"]}},
            }
        ]
        * 2,
        "Tom has a dog. It is brown.",
        "Q: Who has a dog?\nA: Tom\nQ: Which colour is it?\nA:",
        " brown\n",
        " black\n",
        "f1,none",
        best=0.75,
        shot={
            "story": "It rains.",
            "questions": {"input_text": ["What does it do?"]},
            "answers": {"input_text": ["It rains"]},
        },
        shown="Q: What does it do?\nA: It rains\n\n",
    ),
    "cnn_dailymail": Case(
        [{"article": "A storm hit the coast. Trees fell.", "highlights": "A storm hit the coast."}] * 2,
        "",
        "Article:\nA storm hit the coast. Trees fell.\n\nGive the main points",
        "Here is a summary:\n\nA storm hit the coast.\n\nArticle:",
        "Nothing new.",
        "rougeL,none",
        shot={"article": "It rains.", "highlights": "Rain."},
        shown="Summary: Rain.\n\n",
    ),
    "truthfulqa": Case(
        [
            {
                "question": "Is the moon made of cheese?",
                "correct_answers": ["The moon is made of rock"],
                "incorrect_answers": ["The moon is made of cheese"],
            }
        ]
        * 2,
        "the square root of banana",
        "Q: Is the moon made of cheese?",
        "The moon is made of rock.",
        "The moon is made of cheese.",
        "bleu_acc,none",
    ),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a test reached for the network")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in that runs programs of these tests right here; the list of what it ran."""
    ran: list[str] = []

    def run_program(program: str) -> SimpleNamespace:
        ran.append(program)
        try:
            exec(compile(program, "program", "exec"), {})
        except Exception:
            return SimpleNamespace(passed=False)
        return SimpleNamespace(passed=True)

    module = ModuleType(SANDBOX)
    module.run_program = run_program  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, SANDBOX, module)
    return ran


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(name: str, data: Path | None, **options: Any) -> dict[str, Any]:
    settings = {"num_fewshot": None, "seed": 1, "allow_code": True, **options}
    return load_tasks([name], data=data, **settings)


def load_one(name: str, data: Path, **options: Any) -> Any:
    (task,) = load(name, data, **options).values()
    return task


def prompts(task: Any, **options: Any) -> list[str]:
    task.build_all_requests(limit=2, rank=0, world_size=1, **options)
    return [instance.args[0] for instance in task.instances]


def score(task: Any, response: Any, metric: str = "") -> list[float]:
    """The score of each instance, all answered with ``response``."""
    name, _, chosen = (metric or metric_of(task)).partition(",")
    for instance in task.instances:
        instance.resps = [response]
        instance.filtered_resps = {}
    task.apply_filters()
    return [task.process_results(each.doc, [each.filtered_resps[chosen]])[name] for each in task.instances]


def failure(name: str, data: Path | None, **options: Any) -> SiriusError:
    with pytest.raises(SiriusError) as caught:
        load(name, data, **options)
    return caught.value


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
    assert isinstance(error, UsageError)
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


class Hub:
    """Stands in for the Hub: hands out rows, whichever split is asked for, or raises."""

    def __init__(self, rows: list[dict[str, Any]] | Exception) -> None:
        self.rows, self.asked = rows, []

    def load_dataset(self, path: str, name: str | None = None, **options: Any) -> Any:
        import datasets

        self.asked.append((path, name))
        if isinstance(self.rows, Exception):
            raise self.rows
        table = datasets.Dataset.from_list(self.rows)
        return dict.fromkeys(("train", "validation", "test"), table)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    def stand_in(rows: list[dict[str, Any]] | Exception) -> Hub:
        import datasets

        there = Hub(rows)
        monkeypatch.setattr(datasets, "load_dataset", there.load_dataset)
        return there

    return stand_in


@pytest.mark.parametrize(
    ("name", "path", "part"),
    [
        ("gsm8k", "openai/gsm8k", "main"),
        ("aqua", "deepmind/aqua_rat", "raw"),
        ("csqa", "tau/commonsense_qa", None),
        ("strategyqa", "ChilleD/StrategyQA", None),
        ("humaneval", "openai/openai_humaneval", None),
        ("mbpp_plus", "evalplus/mbppplus", None),
        ("coqa", "EleutherAI/coqa", None),
        ("cnn_dailymail", "abisee/cnn_dailymail", "3.0.0"),
        ("truthfulqa", "truthfulqa/truthful_qa", "generation"),
    ],
)
def test_without_a_file_the_data_set_is_fetched(name: str, path: str, part: str | None, hub: Any) -> None:
    there = hub(CASES[name].rows * 4)
    tasks = load(name, None)
    assert there.asked == [(path, part)]
    assert list(tasks) == [name]
    assert CASES[name].question in prompts(tasks[name])[0]


def test_a_whole_group_is_fetched(hub: Any) -> None:
    there = hub([MMLU_ROW])
    tasks = load("mmlu_flan_cot", None, num_fewshot=2)
    assert len(tasks) == len(there.asked) == 57
    assert {task.config.num_fewshot for task in tasks.values()} == {2}


def test_the_seed_draws_examples(hub: Any) -> None:
    hub([{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(40)])
    same, again, other = (prompts(load("gsm8k", None, seed=seed)["gsm8k"]) for seed in (1, 1, 2))
    assert same == again != other


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (
            ConnectionError("Couldn't reach 'openai/gsm8k'\nand more"),
            EnvironmentProblem,
            "the data set of gsm8k cannot be reached: Couldn't reach 'openai/gsm8k'; "
            "check the network, or give a local file with --data",
        ),
        (
            ModuleNotFoundError("No module named 'abacus'"),
            EnvironmentProblem,
            "gsm8k cannot run here: No module named 'abacus'; run pip install 'sirius-llm[eval]'",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported"),
            ModelError,
            "the data set of gsm8k cannot be used: Dataset scripts are no longer supported; "
            "give a local file with --data",
        ),
    ],
)
def test_a_data_set_that_cannot_be_had_is_told(raised: Exception, kind: type, message: str, hub: Any) -> None:
    hub(raised)
    error = failure("gsm8k", None)
    assert isinstance(error, kind)
    assert str(error) == message


def test_the_hubs_own_errors_are_told(hub: Any) -> None:
    from huggingface_hub import errors

    hub(errors.OfflineModeIsEnabled("offline mode is enabled"))
    assert failure("gsm8k", None).message == "the data set of gsm8k cannot be reached: offline mode is enabled"


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
