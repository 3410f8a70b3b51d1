"""Two made-up problems of every task, and how tests load a task, see its prompts and score its answers."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sirius_cli.errors import SiriusError
from sirius_cli.services.bench.tasks.catalogue import load_tasks, metric_of


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
