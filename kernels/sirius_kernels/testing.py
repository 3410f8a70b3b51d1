"""What the tests of every op share."""

import torch


def error_against(reference: torch.Tensor, result: torch.Tensor, floor: float = 1e-30) -> tuple[float, float]:
    """Worst and RMS error of ``result``, relative to the largest of each value, the reference's RMS and ``floor``."""
    expected, got = reference.double(), result.double()
    scale = expected.abs().clamp_min(expected.square().mean().sqrt().clamp_min(floor))
    errors = ((got - expected) / scale).abs()
    return float(errors.max()), float(errors.square().mean().sqrt())


def assert_close(
    result: torch.Tensor, reference: torch.Tensor, *, worst: float = 2e-5, rms: float = 2e-6, floor: float = 1e-30
) -> None:
    """Fail with the coordinates of the worst element unless both errors are small enough.

    ``floor`` is for results of few numbers that may all be differences of larger ones, or tails of an activation.
    """
    assert result.shape == reference.shape, f"shape {tuple(result.shape)}, expected {tuple(reference.shape)}"
    if reference.numel() == 0:
        return
    assert not result.isnan().any(), f"NaN at {result.isnan().nonzero()[0].tolist()}"
    worst_error, rms_error = error_against(reference, result, floor)
    where = [int(i) for i in torch.unravel_index((result - reference).abs().argmax(), reference.shape)]
    assert worst_error <= worst, f"worst relative error {worst_error:.2e} > {worst:.0e}, largest difference at {where}"
    assert rms_error <= rms, f"RMS relative error {rms_error:.2e} > {rms:.0e}"
