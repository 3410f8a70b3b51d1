"""The short names of benchmark tasks: what each stands for, and what a local file of its problems must have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sirius_cli.services.bench.tasks import answers
from sirius_cli.services.bench.tasks.fields import Check, Fields, Kind, Values, value_at

_LETTERS = "ABCDEFGHIJ"


def _sound(values: Values) -> str:
    return ""


def _gsm8k(values: Values) -> str:
    return "" if "####" in str(values["answer"]) else "answer must end with #### and the number"


def _aqua(values: Values) -> str:
    options: Any = values["options"]
    expected = [f"{letter})" for letter in _LETTERS[: len(options)]]
    if [option.replace(" ", "")[:2] for option in options] != expected:
        return 'options must begin with "A)", "B)" and so on'
    return "" if f"{values['correct']})" in expected else f"correct must name an option, not {values['correct']!r}"


def _csqa(values: Values) -> str:
    labels: Any = value_at(values, "choices.label")
    if labels != list(_LETTERS[: len(labels)]):
        return "choices.label must be A, B and so on"
    if len(labels) != len(value_at(values, "choices.text")):  # type: ignore[arg-type]  # a list by now
        return "choices.label and choices.text must be of one length"
    return "" if values["answerKey"] in labels else f"answerKey must be a label, not {values['answerKey']!r}"


def _mmlu(values: Values) -> str:
    choices: Any = values["choices"]
    if len(choices) != 4:
        return f"choices must be 4, not {len(choices)}"
    return "" if values["answer"] in range(4) else f"answer must be a number from 0 to 3, not {values['answer']}"


def _coqa(values: Values) -> str:
    questions, given = (value_at(values, f"{name}.input_text") for name in ("questions", "answers"))
    same = len(questions) == len(given) > 0  # type: ignore[arg-type]  # lists by now
    return "" if same else "there must be as many answers as questions, and one at least"


def _truthfulqa(values: Values) -> str:
    return "" if values["incorrect_answers"] else "incorrect_answers must not be empty"


@dataclass(frozen=True, slots=True)
class ShortName:
    """A short name. ``task`` is what lm-eval calls it, in ``folder`` of its tasks, or in our own if that is None.

    ``fields`` are those of a problem, ``shot_fields`` those of a worked example from a file, None if it takes none;
    ``optional`` ones are read if they are there. ``lenient`` finds answers beside lm-eval's own filter, which wants
    them worded just so. ``examples`` says that we have worked examples for it, for problems that come without any.
    ``split_by`` is the field that tells to which task of a group a problem belongs.
    """

    description: str
    task: str
    folder: str | None
    fields: Fields
    shot_fields: Fields | None = None
    optional: tuple[str, ...] = ()
    check: Check = _sound
    lenient: Callable[[answers.Responses, answers.Documents], Sequence[Sequence[str]]] | None = None
    examples: bool = False
    runs_code: bool = False
    split_by: str = ""


_GSM8K = {"question": Kind.TEXT, "answer": Kind.TEXT}
_BBH = {"input": Kind.TEXT, "target": Kind.TEXT}
_AQUA = {"question": Kind.TEXT, "options": Kind.TEXTS, "correct": Kind.TEXT}
_CSQA = {"question": Kind.TEXT, "choices.label": Kind.TEXTS, "choices.text": Kind.TEXTS, "answerKey": Kind.TEXT}
_STRATEGYQA = {"question": Kind.TEXT, "answer": Kind.FLAG}
_HUMANEVAL = {"prompt": Kind.TEXT, "entry_point": Kind.TEXT, "test": Kind.TEXT}
_MBPP_PLUS = {"prompt": Kind.TEXT, "test_list": Kind.TEXTS, "test": Kind.TEXT}
_MMLU = {"question": Kind.TEXT, "subject": Kind.TEXT, "choices": Kind.TEXTS, "answer": Kind.NUMBER}
_COQA = {"story": Kind.TEXT, "questions.input_text": Kind.TEXTS, "answers.input_text": Kind.TEXTS}
_CNN = {"article": Kind.TEXT, "highlights": Kind.TEXT}
_TRUTHFULQA = {"question": Kind.TEXT, "correct_answers": Kind.TEXTS, "incorrect_answers": Kind.TEXTS}
_WORKED = {"question": Kind.TEXT, "target": Kind.TEXT}
_REASONED = {"rationale": Kind.TEXT}

SHORT_NAMES: Mapping[str, ShortName] = {
    "gsm8k": ShortName(
        "grade-school maths, 5 worked examples (lm-eval's; with a local file ours, unless you give some)",
        "gsm8k",
        "gsm8k",
        _GSM8K,
        _GSM8K,
        check=_gsm8k,
        examples=True,
    ),
    "gsm8k_cot": ShortName(
        "grade-school maths, 8 worked examples in prose (lm-eval's)",
        "gsm8k_cot",
        "gsm8k",
        _GSM8K,
        _WORKED,
        check=_gsm8k,
    ),
    "aqua": ShortName(
        "algebra with five options, 5 worked examples (ours)", "aqua", None, _AQUA, {**_AQUA, **_REASONED}, check=_aqua
    ),
    "csqa": ShortName(
        "common sense with five options, 6 worked examples (ours)",
        "csqa",
        None,
        _CSQA,
        {**_CSQA, **_REASONED},
        check=_csqa,
    ),
    "strategyqa": ShortName(
        "yes-or-no questions that take several facts, 6 worked examples (ours)",
        "strategyqa",
        None,
        _STRATEGYQA,
        {**_STRATEGYQA, **_REASONED},
    ),
    "date": ShortName(
        "BIG-Bench Hard, date understanding, 3 worked examples (lm-eval's)",
        "bbh_cot_fewshot_date_understanding",
        "bbh/cot_fewshot",
        _BBH,
        _BBH,
        lenient=answers.bracketed_letters,
    ),
    "sports": ShortName(
        "BIG-Bench Hard, sports understanding, 3 worked examples (lm-eval's)",
        "bbh_cot_fewshot_sports_understanding",
        "bbh/cot_fewshot",
        _BBH,
        _BBH,
        lenient=answers.yes_or_no,
    ),
    "humaneval": ShortName(
        "Python functions to complete, run with their tests in a sandbox (ours)",
        "humaneval",
        None,
        _HUMANEVAL,
        {**_HUMANEVAL, "canonical_solution": Kind.TEXT},
        runs_code=True,
    ),
    "mbpp_plus": ShortName(
        "short Python programs, run with the tests of MBPP+ in a sandbox, 3 worked examples (ours)",
        "mbpp_plus",
        None,
        _MBPP_PLUS,
        {**_MBPP_PLUS, "code": Kind.TEXT},
        optional=("test_imports",),
        runs_code=True,
    ),
    "mmlu_flan_cot": ShortName(
        "57 subjects with four options, 4 worked examples each (lm-eval's group mmlu_flan_cot_fewshot)",
        "mmlu_flan_cot_fewshot",
        "mmlu/flan_cot_fewshot",
        _MMLU,
        _WORKED,
        check=_mmlu,
        split_by="subject",
    ),
    "coqa": ShortName(
        "the last question of a conversation about a text, F1 (ours)",
        "coqa",
        None,
        _COQA,
        _COQA,
        optional=("additional_answers",),
        check=_coqa,
    ),
    "cnn_dailymail": ShortName(
        "summaries of news, ROUGE (ours, without the model that lm-eval's scores with)",
        "cnn_dailymail",
        None,
        _CNN,
        _CNN,
    ),
    "truthfulqa": ShortName(
        "questions that invite false answers, BLEU and ROUGE to true and false ones (lm-eval's truthfulqa_gen)",
        "truthfulqa_gen",
        "truthfulqa",
        _TRUTHFULQA,
        check=_truthfulqa,
    ),
}
"""What each short name stands for."""
