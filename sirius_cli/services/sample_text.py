"""The text by which 4-bit copies are rounded, in the tokens of a model."""

from importlib.resources import files
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from sirius_cli.engine.tokens import Tokens

_FILE: Final = "sample.yaml"


def sample_of(tokens: "Tokens") -> list[int]:
    """Maths, code, prose, lists, tables and four languages, about 2000 tokens.

    A part of it is chats, in the model's own template if it has one: its marks are met with numbers unlike all others.
    """
    sample = yaml.safe_load(files("sirius_cli.services").joinpath(_FILE).read_text(encoding="utf-8"))
    ids = tokens.encode(sample["text"], special=True)
    for question, answer in sample["chats"]:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        told = tokens.render(turns) if tokens.has_chat_template else f"{question}\n{answer}\n\n"
        ids += tokens.encode(told, special=False)
    return ids
