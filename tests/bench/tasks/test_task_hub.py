"""Data sets fetched from a stand-in for the Hub."""

from typing import Any

import pytest
from task_cases import CASES, MMLU_ROW, failure, load, prompts

from sirius_cli.errors import EnvironmentProblem, ModelError


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
