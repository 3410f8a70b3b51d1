"""Sizes for a reader."""


def megabytes(size: int) -> str:
    """``size`` bytes in MB, or in GB from one GB on."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def readable(size: int) -> str:
    """``size`` bytes in kB below one MB, else as :func:`megabytes`."""
    return f"{size / 1e3:.0f} kB" if size < 1e6 else megabytes(size)
