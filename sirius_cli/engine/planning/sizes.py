"""The sizes that a planned window may have."""

from typing import Final

LONGEST: Final = 32
SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, LONGEST)
"""Close enough: between two of them no window would gain a percent more."""
