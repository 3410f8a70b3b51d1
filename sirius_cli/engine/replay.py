"""Run a program that never asks the host anything: recorded once on a GPU, step by step elsewhere."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import torch

_WARM_UPS: Final = 2  # kernels are compiled and libraries find their feet before anything is recorded


Result = TypeVar("Result")


class GraphMemory:
    """What recorded programs compute in, shared by those of which one runs at a time.

    A result that a program returned may be overwritten by any other one.
    """

    def __init__(self) -> None:
        self._pool: Any = None

    @property
    def pool(self) -> Any:
        """As :class:`torch.cuda.graph` takes it."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return self._pool


class Replay(Generic[Result]):
    """Calls ``program``, which works on tensors that stay in place and may return one of its own.

    On a GPU all that it launches is recorded as one CUDA graph, which every call replays. To warm up, the program is
    run before that; ``state`` are the tensors that it moves on, which are put back.
    """

    def __init__(
        self, program: Callable[[], Result], state: Sequence[torch.Tensor], memory: GraphMemory | None = None
    ) -> None:
        self._program, self._state, self._memory = program, state, memory or GraphMemory()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Result | None = None

    def prepare(self) -> None:
        """Record the program where that is needed and has not been done. The first call does so if nobody has."""
        if self._state[0].device.type == "cuda" and self._graph is None:
            self._record()

    def __call__(self) -> Result:
        """What the program returned. On a GPU the next call overwrites it."""
        self.prepare()
        if self._graph is None:
            return self._program()
        self._graph.replay()
        return cast("Result", self._result)

    def _record(self) -> None:
        kept = [tensor.clone() for tensor in self._state]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._program()
                self._put_back(kept)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory.pool):
            self._result = self._program()
        self._graph = graph

    def _put_back(self, kept: Sequence[torch.Tensor]) -> None:
        for tensor, value in zip(self._state, kept, strict=True):
            tensor.copy_(value)
