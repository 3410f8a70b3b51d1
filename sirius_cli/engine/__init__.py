"""The engine. Importing it prepares the threads of the kernels, which must happen before torch is imported."""

import sirius_kernels  # noqa: F401
