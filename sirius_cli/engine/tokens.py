"""A model's tokens: text to ids and back, chats, and what ends an answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer

from sirius_cli.engine import chat_template, tokenizer_files
from sirius_cli.engine.detokenise import Detokeniser
from sirius_cli.engine.stops import StopMatcher
from sirius_cli.errors import UsageError

__all__ = ["Detokeniser", "StopMatcher", "Tokens"]


class Tokens:
    """Built by ``load``, or by hand from its parts; ``special_tokens`` are the template's, such as ``bos_token``."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        eos_ids: frozenset[int] = frozenset(),
        template: str | None = None,
        special_tokens: Mapping[str, str] | None = None,
    ) -> None:
        self.eos_ids = eos_ids
        self._tokenizer = tokenizer
        self._template = template
        self._special_tokens = dict(special_tokens or {})
        added = tokenizer.get_added_tokens_decoder()
        self._silent = frozenset(token_id for token_id, token in added.items() if token.special)
        self._bytes = _raw_byte_ids(tokenizer)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the tokenizer, chat template and end-of-sequence ids of the model in ``folder``.

        Raises:
            ModelError: if the tokenizer is missing, or one of its files is broken.
        """
        config = tokenizer_files.read_config(folder)
        return cls(
            tokenizer_files.load_tokenizer(folder, config),
            eos_ids=tokenizer_files.read_eos_ids(folder),
            template=tokenizer_files.read_template(folder, config),
            special_tokens=tokenizer_files.special_tokens(config),
        )

    @property
    def has_chat_template(self) -> bool:
        return self._template is not None

    def encode(self, text: str, *, special: bool) -> list[int]:
        """The ids of ``text``; ``special`` adds what the model wants around a prompt, such as a first token.

        Special tokens that are spelt out in ``text`` count as such. Raises UsageError if ``text`` is no valid Unicode.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"the text is no valid Unicode at character {error.start}", "give UTF-8 text") from error
        return self._tokenizer.encode(text, add_special_tokens=special).ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``. Special tokens, and ids that the tokenizer does not know, have none."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """The prompt's ids for ``messages`` (keys ``role`` and ``content``), open for the assistant's answer.

        Raises:
            UsageError: if the model has no chat template, or it refuses the messages.
            ModelError: if the template is broken.
        """
        return self.encode(self.render(messages), special=False)

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The prompt's text for ``messages``. Raises as :meth:`chat` does."""
        if self._template is None:
            raise UsageError("this model has no chat template", "give --raw to send the prompt as it is")
        return chat_template.render(self._template, messages, self._special_tokens)

    def encode_prompt(self, text: str) -> list[int]:
        """The ids of a prompt that may or may not begin with the model's first token already."""
        first = self._special_tokens.get("bos_token", "")
        return self.encode(text, special=not (first and text.startswith(first)))

    def is_silent(self, token_id: int) -> bool:
        """Whether the token has no text: a special token, or an id past the vocabulary."""
        return token_id in self._silent or self._tokenizer.id_to_token(token_id) is None

    def is_raw_byte(self, token_id: int) -> bool:
        """Whether the token is one byte, ``<0x41>``, that makes text only together with its neighbours."""
        return token_id in self._bytes


def _raw_byte_ids(tokenizer: Tokenizer) -> frozenset[int]:
    ids = (tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in range(256))
    return frozenset(token_id for token_id in ids if token_id is not None)
