"""Chat templates: Jinja that ships with a model, rendered as transformers renders it.

transformers itself is not imported for this, which saves a second at each start. Templates are foreign code and run
in Jinja's sandbox, on plain strings only.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sirius_cli.errors import ModelError, UsageError


class _RefusedError(TemplateError):
    """The template itself refuses its input."""


class _Generation(Extension):
    """``{% generation %}`` marks the assistant's part for training; here it only groups."""

    tags = {"generation"}  # noqa: RUF012 - Jinja declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def render(source: str, messages: Sequence[Mapping[str, str]], special_tokens: Mapping[str, str]) -> str:
    """The prompt for ``messages`` (keys ``role`` and ``content``), open for the assistant's answer.

    ``special_tokens`` are seen by the template under their names, such as ``bos_token``.

    Raises:
        UsageError: if the template refuses the messages, for instance a system prompt.
        ModelError: if the template is broken.
    """
    try:
        return (
            _environment()
            .from_string(source)
            .render(
                messages=[dict(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=True,
                **special_tokens,
            )
        )
    except _RefusedError as error:
        raise UsageError(f"the model's chat template refuses this: {error}", "change it or give --raw") from error
    except Exception as error:  # whatever foreign code can raise
        message = f"the model's chat template is broken: {type(error).__name__}: {error}"
        raise ModelError(message, "give --raw to do without it") from error


def _environment() -> Environment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes HTML, which no prompt wants."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> NoReturn:
    raise _RefusedError(message)
