"""Run all cases of :mod:`correctness`; on a GPU in many processes, because compiling takes longer than checking.

Elsewhere they run one after the other, up to the first part with anything wrong in it.
"""

import multiprocessing
import os
from dataclasses import dataclass

import torch

from gpu import correctness

_MOST_PROCESSES = 16  # each holds half a gigabyte of the GPU


@dataclass(frozen=True)
class Verdict:
    """How many cases were right, and what went wrong in each other one."""

    right: int
    wrong: tuple[str, ...]


def verify(device: torch.device, *, small: bool) -> Verdict:
    """All cases on ``device``."""
    numbers = range(len(correctness.groups(small=small)))
    jobs = [(str(device), small, number) for number in numbers]
    if device.type == "cuda":
        processes = min(_MOST_PROCESSES, os.cpu_count() or 1)
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            verdicts = pool.starmap(_verify_group, jobs, chunksize=1)
    else:
        verdicts = []
        for job in jobs:
            verdicts.append(_verify_group(*job))
            if verdicts[-1].wrong:
                break
    return Verdict(sum(one.right for one in verdicts), tuple(fault for one in verdicts for fault in one.wrong))


def _verify_group(device: str, small: bool, number: int) -> Verdict:
    torch.manual_seed(number)
    right, wrong = 0, list[str]()
    for name, check in correctness.groups(small=small)[number](torch.device(device)):
        try:
            check()
            right += 1
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}")
    return Verdict(right, tuple(wrong))
