"""Weights as small integers with a scale for every group."""
