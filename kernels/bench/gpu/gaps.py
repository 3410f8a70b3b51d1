"""How much of a replayed window no kernel runs."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile


def gap_share(call: Callable[[], object], trace: Path) -> float:
    """The share of the time from the first kernel's start to the last one's end; the profile goes to ``trace``.

    ``call`` is made once before, in case it has something to record.
    """
    call()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as recorded:
        call()
        torch.cuda.synchronize()
    recorded.export_chrome_trace(str(trace))
    return share_without_kernels(json.loads(trace.read_text())["traceEvents"])


def share_without_kernels(events: list[dict[str, object]]) -> float:
    """Of a trace in Chrome's format; kernels may overlap."""
    spans = sorted(
        (float(event["ts"]), float(event["ts"]) + float(event["dur"]))  # type: ignore[arg-type]
        for event in events
        if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")
    )
    busy, reached = 0.0, spans[0][0]
    for start, end in spans:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return 1 - busy / (reached - spans[0][0])
