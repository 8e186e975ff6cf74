"""What is fine counts, what is coarse does not, and only where the picture is flat."""

import math

import numpy as np
import pytest

from brushflow.evaluation.texture import fine_energy, flat_windows, stroke_contrast


def waves(period, height=64, width=96, strength=10):
    """Upright stripes of so many pixels a period around a middle grey."""
    wave = strength * np.sin(2 * np.pi * (np.arange(width) + 0.25) / period)
    return np.repeat(np.tile(128 + wave, (height, 1))[..., None], 3, 2).round().astype(np.uint8)


@pytest.mark.parametrize(("period", "expected"), [(2.5, 50), (3, 50), (8, 0), (16, 0)])
def test_the_power_of_a_wave_counts_if_it_is_finer_than_four_pixels(period, expected):
    frame = waves(period)
    everywhere = np.ones_like(flat_windows(frame))
    assert fine_energy(frame, everywhere) == pytest.approx(expected, rel=0.1, abs=1)


def test_fine_stripes_are_flat_and_coarse_ones_are_not():
    assert flat_windows(waves(3)).all()
    assert not flat_windows(waves(48, strength=60)).any()


def test_only_flat_windows_are_looked_at():
    frame = waves(3)
    frame[:, 48:] = np.random.default_rng(0).integers(0, 256, (64, 6, 1), np.uint8).repeat(8, 1)
    where = flat_windows(frame)
    assert where[:, 0].all() and not where[:, -1].any()
    assert fine_energy(frame, where) == pytest.approx(50, rel=0.2)
    assert math.isnan(fine_energy(frame, np.zeros_like(where)))


def test_strokes_have_the_deviation_of_their_wave_of_any_length():
    """A wave's amplitude divided by the root of 2; where none is looked at, there is no number."""
    everywhere = np.ones_like(flat_windows(waves(4)))
    for period in (4, 8, 16):
        assert stroke_contrast(waves(period), everywhere) == pytest.approx(7.07, rel=0.05)
    assert math.isnan(stroke_contrast(waves(4), np.zeros_like(everywhere)))
