"""The user's own keys: every binding has an id, and a wrong id or key name is told before the dashboard opens."""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from textual.binding import Binding, BindingType
from textual.keys import Keys

from sirius_cli.errors import UsageError

_MODIFIERS = ("ctrl", "shift", "alt", "super", "meta", "hyper")
_NAMED = {key.value for key in Keys if "+" not in key.value and not key.value.startswith("<")}


def check(keymap: Mapping[str, str], bindings: Iterable[BindingType]) -> None:
    """Refuse what no binding or no keyboard has.

    Raises:
        UsageError: with every fault.
    """
    named = {binding.id: binding for binding in bindings if isinstance(binding, Binding) and binding.id}
    known = sorted(named)
    faults = [_unknown(name, known) for name in keymap if name not in known]
    faults += [
        f"{name}: {key!r} is no key" for name, keys in keymap.items() for key in keys.split(",") if not _is_key(key)
    ]
    faults += _clashes({name: keys for name, keys in keymap.items() if name in named}, named)
    if faults:
        raise UsageError(f"the keymap in the settings is faulty: {'; '.join(faults)}", "keys are such as ctrl+r, f1, d")


def _clashes(keymap: Mapping[str, str], named: Mapping[str, Binding]) -> Iterator[str]:
    """Keys of which only one meaning would ever work: given twice, or to one that comes first everywhere."""
    first = {name: it.key for name, it in named.items() if it.priority and not name.startswith("compare.")}
    keys = {name: {key.strip() for key in text.split(",")} for name, text in {**first, **keymap}.items()}
    for one, other in combinations(keys, 2):
        if (one in keymap or other in keymap) and (shared := keys[one] & keys[other]):
            yield f"{one} and {other} have the same key {min(shared)}"


def part(keymap: Mapping[str, str], *, inspector: bool) -> dict[str, str]:
    """The keys of the inspector, or those of the dashboard: one settings file holds both."""
    return {name: keys for name, keys in keymap.items() if name.startswith("inspector.") is inspector}


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no {name!r}, " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")


def _is_key(text: str) -> bool:
    *modifiers, key = text.strip().split("+")
    if not all(modifier in _MODIFIERS for modifier in modifiers):
        return False
    return key in _NAMED or (len(key) == 1 and key.isprintable()) or _is_character_name(key)


def _is_character_name(key: str) -> bool:
    """Textual writes a character by its Unicode name in lower case, such as left_square_bracket."""
    try:
        unicodedata.lookup(key.replace("_", " "))
    except KeyError:
        return False
    return True
