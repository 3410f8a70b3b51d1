"""Windows as trees: several continuations are drafted side by side and checked in one pass."""
