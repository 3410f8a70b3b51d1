"""Puts the programs together that models wrote, with their tests, and asks the sandbox for its verdict."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_TAGGED_FENCE = re.compile(r"```[ \t]*(?:python3?|py)[ \t]*\n(.*?)(?:\n?```|\Z)", re.DOTALL | re.IGNORECASE)
_BARE_FENCES = re.compile(r"```[ \t]*\n(.*?)\n?```", re.DOTALL)
_INDENTED = re.compile(r"\n*[ \t]+\S")
# It binds no name, which a solution might lack and then find.
_WITH_NUMPY = """\
try:
    __import__("numpy")
except ImportError:
    __import__("sys").modules["numpy"] = __import__("types").ModuleType("numpy")
    exec({source!r}, vars(__import__("numpy")))
"""

Document = Mapping[str, Any]


def score_program(program: str) -> bool:
    """Whether ``program`` runs to its end in the sandbox."""
    # Only what scores programs needs a sandbox; the list of tasks does not.
    from sirius_cli.services.bench.sandbox import run_program

    return bool(run_program(program).passed)


def score_completion(doc: Document, responses: Sequence[str]) -> dict[str, float]:
    """lm-eval's hook for a function that the model was to complete."""
    return {"pass_at_1": float(score_program(completed_program(doc, responses[0])))}


def score_solution(doc: Document, responses: Sequence[str]) -> dict[str, float]:
    """lm-eval's hook for a program that the model was to write."""
    return {"pass_at_1": float(score_program(solution_program(doc, responses[0])))}


def completed_program(doc: Document, response: str) -> str:
    """The function that ``doc["prompt"]`` begins and ``response`` completes, or repeats in a code block, and its tests.

    The prompt stays in front even if the block has the whole function: it holds imports and helpers that answers leave
    out, and its own stub is complete without a body, by its docstring.
    """
    prompt, entry = doc["prompt"], doc["entry_point"]
    code = code_in(response)
    joint = "\n\n" if re.search(rf"^(?:async )?def {re.escape(entry)}\b", code, re.MULTILINE) else ""
    return f"{prompt}{joint}{code}\n\n{doc['test']}\ncheck({entry})\n"


def solution_program(doc: Document, response: str) -> str:
    """The program in ``response`` and the tests of ``doc``, with what they import."""
    numpy = [_numpy_stand_in()] if "numpy" in doc["test"] else []
    return "\n".join([*numpy, *(doc.get("test_imports") or ()), code_in(response), "", doc["test"], ""])


@cache
def _numpy_stand_in() -> str:
    """Code that provides a numpy where there is none: the sandbox has the standard library alone."""
    source = (Path(__file__).parent / "numpy_stand_in.py").read_text(encoding="utf-8")
    return _WITH_NUMPY.format(source=source)


def code_in(response: str) -> str:
    """The code of ``response``: its first code block, or, if it goes on with a function, all up to a closing fence.

    A block may lack its end: the stop string that ended the answer is not part of it.
    """
    if not _INDENTED.match(response):
        for fence in (_TAGGED_FENCE, _BARE_FENCES):
            if block := fence.search(response):
                return block.group(1)
    return response.partition("\n```")[0]
