"""A conversation, line by line. Answers go to standard output, all else to standard error."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from sirius_cli.cli import diagnostics, failures, turn
from sirius_cli.cli.stream import Sink
from sirius_cli.config import locations
from sirius_cli.config.resolve import resolve_profile
from sirius_cli.errors import UsageError
from sirius_cli.exit_codes import ExitCode
from sirius_cli.services.answer import Answer, metrics_to_json
from sirius_cli.services.session import AnswerSpec, Session

_PROMPT = ">>> "
_HISTORY_LINES = 1000


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError
    return text == "on"


@dataclass(frozen=True, slots=True)
class _Setting:
    """``key`` is a dotted field of the profile or a field of ``AnswerSpec`` or ``SamplingSpec``."""

    key: str
    convert: Callable[[str], Any]


_SETTINGS = {
    "method": _Setting("draft.method", str),
    "keep": _Setting("draft.keep", float),
    "window": _Setting("correction.window", int),
    "confidence": _Setting("correction.confidence", float),
    "accept": _Setting("correction.accept", str),
    "threshold": _Setting("correction.threshold", float),
    "accept-temperature": _Setting("correction.temperature", float),
    "correction": _Setting("correction.enabled", _switch),
    "temperature": _Setting("temperature", float),
    "top-p": _Setting("top_p", float),
    "top-k": _Setting("top_k", int),
    "seed": _Setting("seed", int),
    "max-new-tokens": _Setting("max_new_tokens", int),
    "stop": _Setting("stop", lambda text: (text,)),
}


class Repl:
    """Reads lines, runs commands, asks the session."""

    def __init__(
        self,
        session: Session,
        look: turn.Look,
        sinks: list[Sink],
        profile: str | None,
        overrides: Mapping[str, tuple[object, str]],
    ) -> None:
        self._session = session
        self._look = look
        self._sinks = sinks
        self._profile = profile
        self._overrides = dict(overrides)
        self._last: Answer | None = None
        self._commands: dict[str, tuple[Callable[[str], None], str]] = {
            "/help": (self._help, "list the commands"),
            "/set": (self._set, f"NAME VALUE, one of {', '.join(_SETTINGS)}"),
            "/show": (self._show, "the model, the profile and the settings"),
            "/system": (self._system, "TEXT, the system prompt from now on; without TEXT there is none"),
            "/clear": (self._clear, "forget the conversation"),
            "/retry": (self._retry, "answer the last prompt again; a sampled answer gets the next seed"),
            "/stats": (self._stats, "all figures of the last answer"),
            "/bye": (self._bye, "leave, as Ctrl-D does"),
        }

    def run(self) -> ExitCode:
        """Talk until the user leaves."""
        diagnostics.note(f"{self._session.engine.loaded.model}; /help lists the commands, Ctrl-D leaves")
        with _line_editing():
            for line in _lines():
                try:
                    self._do(line)
                except EOFError:
                    break
                except Exception as error:
                    if failures.explain(error) is None:
                        raise
                    diagnostics.error(failures.explain(error) or error)
        return ExitCode.OK

    def _do(self, line: str) -> None:
        if not line.startswith("/"):
            self._ask(line)
            return
        name, _, rest = line.partition(" ")
        if name not in self._commands:
            raise UsageError(f"there is no command {name}", "/help lists them")
        self._commands[name][0](rest.strip())

    def _ask(self, prompt: str) -> None:
        self._last = turn.play(self._session, prompt, self._look, self._sinks)

    def _help(self, rest: str) -> None:
        for name, (_, text) in self._commands.items():
            diagnostics.note(f"{name:<8} {text}")

    def _set(self, rest: str) -> None:
        name, _, text = rest.partition(" ")
        setting = _SETTINGS.get(name)
        if setting is None or not text.strip():
            raise UsageError(f"/set cannot use {rest!r}", f"give NAME VALUE, NAME one of {', '.join(_SETTINGS)}")
        try:
            value = setting.convert(text.strip())
        except ValueError as error:
            raise UsageError(f"{name} cannot be {text.strip()}") from error
        if "." in setting.key:
            self._override(setting.key, value)
        else:
            self._session.spec = _changed(self._session.spec, setting.key, value)

    def _override(self, key: str, value: object) -> None:
        overrides = {**self._overrides, key: (value, "/set")}
        self._session.engine.profile = resolve_profile(self._profile, overrides, os.environ).profile
        self._overrides = overrides

    def _show(self, rest: str) -> None:
        loaded, spec, profile = self._session.engine.loaded, self._session.spec, self._session.engine.profile
        settings = {
            "model": f"{loaded.model} ({loaded.parameters / 1e6:.0f} M parameters, {loaded.dtype}, {loaded.device})",
            "profile": profile.name,
            **{f"draft.{name}": value for name, value in profile.draft.model_dump().items()},
            **{f"correction.{name}": value for name, value in profile.correction.model_dump().items()},
            "max-new-tokens": spec.max_new_tokens,
            "temperature": spec.sampling.temperature,
            "top-p": spec.sampling.top_p,
            "top-k": spec.sampling.top_k,
            "seed": spec.sampling.seed,
            "stop": ", ".join(map(repr, spec.stop)) or "none",
            "system": spec.system or "none",
        }
        _note_pairs(settings)

    def _system(self, rest: str) -> None:
        self._session.spec = replace(self._session.spec, system=rest or None)

    def _clear(self, rest: str) -> None:
        self._session.clear()

    def _retry(self, rest: str) -> None:
        prompt = self._session.take_back()
        if prompt is None:
            raise UsageError("there is nothing to retry yet")
        spec = self._session.spec
        if not spec.sampling.greedy:
            self._session.spec = _changed(spec, "seed", spec.sampling.seed + 1)
        self._ask(prompt)

    def _stats(self, rest: str) -> None:
        if self._last is None:
            raise UsageError("there is no answer yet")
        figures = metrics_to_json(self._last.metrics)
        _note_pairs({name: "not measured" if value is None else value for name, value in figures.items()})

    def _bye(self, rest: str) -> None:
        raise EOFError


def _changed(spec: AnswerSpec, name: str, value: Any) -> AnswerSpec:
    if name in ("max_new_tokens", "stop"):
        return replace(spec, **{name: value})
    return replace(spec, sampling=replace(spec.sampling, **{name: value}))


def _note_pairs(pairs: Mapping[str, object]) -> None:
    for name, value in pairs.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        diagnostics.note(f"{name:<26} {shown}")


def _lines() -> Iterator[str]:
    """The lines that the user enters, blank ones left out. Ctrl-C drops a line, Ctrl-D ends them."""
    while True:
        try:
            line = input(_PROMPT).strip()
        except KeyboardInterrupt:
            diagnostics.note("\nCtrl-D or /bye leaves")
        except EOFError:
            diagnostics.note("")
            return
        else:
            if line:
                yield line


@contextmanager
def _line_editing() -> Iterator[None]:
    """Editing and a history that only the user can read, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = locations.home() / "history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            readline.write_history_file(path)
