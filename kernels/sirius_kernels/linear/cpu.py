"""``linear`` compiled for the CPU."""

import numba
import numpy as np
import torch

from sirius_kernels.cpu_rows import PLAIN, rows_by_tokens, rows_by_vector

_NO_BIAS = np.empty(0, np.float32)
_ALL = np.empty(0, np.int32)
_NO_GATE = np.empty((0, 0), np.float32)


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """See :func:`sirius_kernels.linear.op.linear`."""
    tokens, (outputs, depth) = x.shape[0], weight.shape
    out = torch.empty(tokens, outputs)
    flat, threads = weight.numpy().reshape(-1), numba.get_num_threads()
    biases = _NO_BIAS if bias is None else bias.numpy()
    rows, result = x.contiguous().numpy(), out.numpy()
    if tokens == 1:
        rows_by_vector(flat, depth, 0, 1, rows[0], biases, _ALL, _NO_BIAS, PLAIN, 0, result[0], threads)
    else:
        rows_by_tokens(flat, depth, 0, 1, rows, biases, _ALL, _NO_GATE, PLAIN, 0, result, threads)
    return out
