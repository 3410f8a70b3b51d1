"""What a model's folder says about its tokens: tokenizer, special tokens, chat template, end-of-sequence ids."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from sirius_cli.errors import ModelError

_OLDER_FORMATS = ("*.model", "vocab.*", "*.tiktoken", "tekken.json")


def load_tokenizer(folder: Path, config: dict[str, Any]) -> Tokenizer:
    """The tokenizer of ``folder``; ``config`` is its tokenizer_config.json.

    ``tokenizer.json`` is read without transformers, which is slow to import. Older formats are left to it.

    Raises:
        ModelError: if there is none or it cannot be read.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        return _convert(folder)
    try:
        tokenizer = Tokenizer.from_file(str(file))
        _add_declared(tokenizer, config)
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"cannot read {file}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def read_config(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, with the special tokens that older models keep in a file of their own."""
    config = read_json(folder / "tokenizer_config.json")
    if "added_tokens_decoder" in config:
        return config
    return config | read_json(folder / "special_tokens_map.json")


def special_tokens(config: dict[str, Any]) -> dict[str, str]:
    """The named special tokens of a tokenizer_config.json: ``bos_token`` and so on."""
    named = {name: _content(value) for name, value in config.items() if name.endswith("_token")}
    return {name: content for name, content in named.items() if content is not None}


def read_template(folder: Path, config: dict[str, Any]) -> str | None:
    """The source of the chat template, if the model has one. Raises ModelError if it cannot be read."""
    file = folder / "chat_template.jinja"
    try:
        if file.is_file():
            return file.read_text(encoding="utf-8")
        template = config.get("chat_template")
        if isinstance(template, list):
            template = {entry["name"]: entry["template"] for entry in template}.get("default")
    except (UnicodeDecodeError, KeyError, TypeError) as error:
        raise ModelError(f"the chat template in {folder} cannot be read: {error}") from error
    return template if isinstance(template, str) else None


def read_eos_ids(folder: Path) -> frozenset[int]:
    """The ids that end an answer, by generation_config.json, else by config.json."""
    for name in ("generation_config.json", "config.json"):
        found = read_json(folder / name).get("eos_token_id")
        ids = found if isinstance(found, list) else [found]
        if found is not None and all(type(token_id) is int for token_id in ids):
            return frozenset(ids)
        if found is not None:
            raise ModelError(f"{folder / name}: eos_token_id must be an id or a list of ids, not {found!r}")
    return frozenset()


def read_json(file: Path) -> dict[str, Any]:
    """The object in ``file``; empty if there is no such file. Raises ModelError if it is broken."""
    if not file.is_file():
        return {}
    try:
        data = json.loads(file.read_bytes())
    except ValueError as error:
        raise ModelError(f"{file} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{file} must hold a JSON object")
    return data


def _convert(folder: Path) -> Tokenizer:
    if not any(file for pattern in _OLDER_FORMATS for file in folder.glob(pattern)):
        raise ModelError(f"{folder} has no tokenizer", "it needs a tokenizer.json beside the weights")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        return tokenizer.backend_tokenizer
    except Exception as error:  # many kinds, by format
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{folder} has a tokenizer that cannot be read: {reason}") from error


def _add_declared(tokenizer: Tokenizer, config: dict[str, Any]) -> None:
    """tokenizer_config.json may name tokens that tokenizer.json does not know as such.

    A special token that is not in the vocabulary at all gets no id: the model has no embedding for it.
    """
    declared = sorted(config.get("added_tokens_decoder", {}).items(), key=lambda entry: int(entry[0]))
    named = [content for content in special_tokens(config).values() if tokenizer.token_to_id(content) is not None]
    wanted = [AddedToken(**token) for _, token in declared]
    wanted += [AddedToken(content, special=True) for content in named]
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    for token in wanted:
        if token.content not in known:
            tokenizer.add_tokens([token])
            known.add(token.content)


def _content(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
