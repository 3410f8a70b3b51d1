"""What the tests of MBPP+ use of numpy: they compare numbers with it. Programs carry this text, so it stands alone.

A solution that itself needs more of numpy fails.
"""

from typing import Any

ndarray = type("ndarray", (), {})
float32 = type("float32", (), {})
float64 = type("float64", (), {})


def allclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08) -> bool:
    """As numpy's, of numbers and nested lists of them."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b) and 1 not in (len(a), len(b)):
            raise ValueError("shapes do not match")
        length = max(len(a), len(b)) if a and b else 0
        return all(allclose(a[i % len(a)], b[i % len(b)], rtol, atol) for i in range(length))
    if isinstance(a, (list, tuple)):
        return all(allclose(item, b, rtol, atol) for item in a)
    if isinstance(b, (list, tuple)):
        return all(allclose(a, item, rtol, atol) for item in b)
    gap, size = abs(a - b), abs(b)
    return bool(a == b or (size < float("inf") and gap <= atol + rtol * size))
