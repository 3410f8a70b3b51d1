"""These tests run in a process of their own (tests/without_gpu/test_triton.py starts it): kernels are interpreted."""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["*"]
