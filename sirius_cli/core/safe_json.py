"""JSON that is fit to be shown."""

import json
import re
from typing import Any

# json leaves DEL, C1 and lone surrogates alone: escaped they are the same data, safe to show and to encode.
_UNSAFE = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def as_json(value: Any, *, indent: int | None) -> str:
    """``value`` as JSON without control characters. Raises ValueError on numbers that are not finite."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
