"""Set before any library starts its threads: test processes share few cores, and waiting threads would hold them."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
