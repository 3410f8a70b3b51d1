"""Scores of free text against references: the F1 of short answers, and ROUGE of summaries."""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ROUGE = ("rouge1", "rouge2", "rougeL")


def score_conversation(doc: Mapping[str, Any], responses: Sequence[str]) -> dict[str, float]:
    """lm-eval's hook for CoQA: exact match and F1 of the answer's first line, after Reddy et al., arXiv 1808.07042.

    Of several people's answers, each is left out in turn, as one person's answer would be judged by the others'.
    """
    answer = responses[0].strip().partition("\n")[0]
    golds = _golds(doc)
    left = [golds[:place] + golds[place + 1 :] for place in range(len(golds))] if len(golds) > 1 else [golds]
    scores: dict[str, Callable[[str, str], float]] = {"em": exact, "f1": f1}
    return {name: fmean(max(score(answer, gold) for gold in some) for some in left) for name, score in scores.items()}


def score_summary(doc: Mapping[str, Any], responses: Sequence[str]) -> dict[str, float]:
    """lm-eval's hook for summaries: ROUGE-1, ROUGE-2 and ROUGE-L, F-measure of stemmed words, 0 to 1."""
    from rouge_score.rouge_scorer import RougeScorer

    scores = RougeScorer(list(_ROUGE), use_stemmer=True).score(doc["highlights"], summary_in(responses[0]))
    return {name: float(scores[name].fmeasure) for name in _ROUGE}


def summary_in(text: str) -> str:
    """The first paragraph of ``text`` that does not announce what follows, as "Here is a summary:" does."""
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]
    return next((paragraph for paragraph in paragraphs if not paragraph.endswith(":")), "")


def exact(answer: str, gold: str) -> float:
    """1 if both have the same words, else 0."""
    return float(words_of(answer) == words_of(gold))


def f1(answer: str, gold: str) -> float:
    """The harmonic mean of the shares of words that each has in common with the other."""
    one, other = Counter(words_of(answer)), Counter(words_of(gold))
    if not one or not other:
        return float(one == other)
    return 2 * (one & other).total() / (one.total() + other.total())


def words_of(text: str) -> list[str]:
    """The words of ``text`` as SQuAD compares them: lower case, without punctuation and articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split()


def _golds(doc: Mapping[str, Any]) -> list[str]:
    """All people's answers to the last question, alike ones once."""
    turn = len(doc["answers"]["input_text"]) - 1
    people = [doc["answers"], *filter(None, (doc.get("additional_answers") or {}).values())]
    return list({answer.lower(): answer for answer in (person["input_text"][turn] for person in people)}.values())
