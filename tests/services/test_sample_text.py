"""The text by which copies are rounded."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from sirius_cli.engine.tokens import Tokens
from sirius_cli.services import sample_text

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


class Heard(Tokens):
    """Remembers what it is given to encode."""

    def __init__(self, template):
        super().__init__(Tokenizer(WordLevel({"a": 0}, unk_token="a")), template=template)
        self.texts = []

    def encode(self, text, *, special):
        self.texts.append((text, special))
        return [len(self.texts)]


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_chats_are_in_the_words_of_the_model(template):
    tokens = Heard(template)
    ids = sample_text.sample_of(tokens)
    (plain, special), *chats = tokens.texts
    assert len(plain) > 3000
    assert special  # the model's first token, if it has one, stands once
    assert len(chats) > 5
    assert ids == list(range(1, 2 + len(chats)))
    for text, special in chats:
        assert not special
        assert ("<user>" in text and "<assistant>" in text) == (template is not None)
