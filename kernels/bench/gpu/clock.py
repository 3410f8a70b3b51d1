"""Time GPU work as decoding runs it: recorded in a graph, and with weights that no cache still holds."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Times:
    """Seconds of one call: median, 10th and 90th percentile of ``repetitions`` stretches."""

    median: float
    p10: float
    p90: float
    repetitions: int


class Clock:
    """Times calls on ``device``; on a CPU, for dry runs, without a graph and a single time.

    A time is that of a stretch of ``least_seconds`` at least: the clock of a GPU ticks every half microsecond.
    """

    def __init__(self, device: torch.device, repetitions: int = 9, least_seconds: float = 0.003) -> None:
        self.device, self._repetitions, self._least = device, repetitions, least_seconds
        self.real = device.type == "cuda"

    def together(self, sides: Sequence[Callable[[], object]]) -> list[Times]:
        """Time all ``sides``, turn by turn, so that a GPU that changes its clocks does so for all of them."""
        if not self.real:
            return [_once(side) for side in sides]
        graphs = [_recorded(side) for side in sides]
        rounds = [max(1, int(self._least / max(_seconds(graph, 1), 1e-7))) for graph in graphs]
        seconds = [
            [_seconds(graph, count) for graph, count in zip(graphs, rounds, strict=True)]
            for _ in range(self._repetitions)
        ]
        return [spread(list(side)) for side in zip(*seconds, strict=True)]

    def copies(self, size: int) -> int:
        """How many weights of ``size`` bytes to take in turn, so that none is still in the L2 cache."""
        if not self.real:
            return 1
        cache = torch.cuda.get_device_properties(self.device).L2_cache_size
        return max(2, min(64, -(-4 * cache // size)))


def _recorded(call: Callable[[], object]) -> torch.cuda.CUDAGraph:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph


def _seconds(graph: torch.cuda.CUDAGraph, count: int) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000 / count


def _once(call: Callable[[], object]) -> Times:
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    return Times(seconds, seconds, seconds, 1)


def spread(values: list[float]) -> Times:
    """What ``values`` in seconds amount to."""
    ordered = sorted(values)
    tenth = len(ordered) // 10
    return Times(statistics.median(ordered), ordered[tenth], ordered[-1 - tenth], len(ordered))
