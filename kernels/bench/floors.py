"""Print what decoding Llama 3.1 8B costs at best on GPUs, from shapes alone: predictions, not measurements.

python kernels/bench/floors.py [--context 1024] [--keep 0.5] [--window 16] [--advance 15.2] [--exact-advance 12.4]
"""

import argparse
import sys
from collections.abc import Iterator

from sirius_kernels.traffic import BANDWIDTHS, LLAMA_8B, coded_size, step_bytes, window_bytes

COPIES = ((8, 64), (4, 32))  # bits and group of quantised copies


def rows(context: int, keep: float, window: int, advance: float, exact: float) -> Iterator[tuple[str, float]]:
    """What is done, and the bytes that it moves (of a window: for each token that it commits).

    A window of a native draft commits ``advance`` tokens, one of the int4 copy ``exact`` or as many.
    """
    active = int(keep * LLAMA_8B.neurons)
    yield "dense step", step_bytes(LLAMA_8B, 1, context).total
    for method in ("coarse", "fine"):
        yield f"{method} draft step, keep {keep:g}", step_bytes(LLAMA_8B, 1, context, method, active).total
    for bits, group in COPIES:
        yield f"int{bits} g{group} draft step", step_bytes(LLAMA_8B, 1, context, size=coded_size(bits, group)).total
    for tokens in (16, 64):
        yield f"check of {tokens}", step_bytes(LLAMA_8B, tokens, context).total
    for method in ("coarse", "fine"):
        moved = window_bytes(LLAMA_8B, window, context, method, active).total
        yield f"{method}, a token of a window of {window} that advances {advance:g}", moved / advance
    bits, group = COPIES[-1]
    moved = window_bytes(LLAMA_8B, window, context, size=coded_size(bits, group)).total
    for advanced in (exact, advance):
        yield f"int{bits} g{group}, a token of a window of {window} that advances {advanced:g}", moved / advanced


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--context", type=int, default=1024, help="tokens in the cache")
    parser.add_argument("--keep", type=float, default=0.5, help="share of the neurons in use")
    parser.add_argument("--window", type=int, default=16, help="tokens per check")
    parser.add_argument("--advance", type=float, default=15.2, help="tokens committed per check")
    parser.add_argument(
        "--exact-advance", type=float, default=12.4, help="the same of an int4 draft under the exact rule"
    )
    arguments = parser.parse_args()
    exact = arguments.exact_advance
    table = list(rows(arguments.context, arguments.keep, arguments.window, arguments.advance, exact))
    dense = table[0][1]
    header = ("predicted floor, ms", "GB", "of a dense step", *BANDWIDTHS)
    lines = [header, ("---",) * len(header)]
    for name, moved in table:
        times = (f"{1000 * moved / bandwidth:.2f}" for bandwidth in BANDWIDTHS.values())
        lines.append((name, f"{moved / 1e9:.2f}", f"{moved / dense:.3f}", *times))
    sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
