"""Kernels of sparse decoding: each op in a folder of its own, with launcher, reference and implementations."""

import os

# How long a thread waits actively for its next share of work, before torch loads the OpenMP library that all share.
# A step joins its threads some 150 times with 30 microseconds of Python between: putting them to sleep costs 50 to 100
# microseconds a time here (135M model: 90 ms a step with 500 turns, 33 with 20000), and the library's own default,
# some milliseconds, costs time slices as soon as another program wants the cores.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
