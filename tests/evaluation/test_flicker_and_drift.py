"""Flicker in still regions and drift over time: values known by hand."""

import math

import numpy as np
import pytest

from brushflow.evaluation.drift import appearance, change_percent, drift_percent
from brushflow.evaluation.flicker import (
    WINDOW,
    fast_power,
    flicker,
    luminance,
    still_region,
)


def window(values):
    """Eight luminances of 6×7 pixels, each of one value."""
    return [np.full((6, 7), value, np.float32) for value in values]


TIMES = np.arange(WINDOW)
ALL = np.ones((6, 7), bool)


def test_alternating_gives_its_amplitude():
    assert flicker(window(0.5 + 0.1 * (-1.0) ** TIMES), ALL) == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize(
    "values",
    [np.full(WINDOW, 0.7), 0.5 + 0.2 * np.sin(2 * np.pi * TIMES / WINDOW + 0.3)],
    ids=["still", "slow"],
)
def test_slow_changes_are_none(values):
    assert flicker(window(values), ALL) == pytest.approx(0, abs=1e-6)


def test_power_agrees_with_the_spectrum():
    values = np.random.default_rng(0).random(WINDOW)
    hann = np.sin(np.pi * TIMES / WINDOW) ** 2
    spectrum = np.abs(np.fft.fft(values * hann)) ** 2 / (WINDOW * (hann**2).sum())
    assert fast_power(window(values)) == pytest.approx(spectrum[3:6].sum(), rel=1e-5)


def test_noise_gives_six_tenths_of_its_deviation():
    noise = np.random.default_rng(0).normal(0.5, 0.05, (WINDOW, 200, 200)).astype(np.float32)
    assert flicker(noise, np.ones((200, 200), bool)) == pytest.approx(
        0.05 * math.sqrt(3 / 8), rel=0.02
    )


def test_only_still_regions_count():
    source = np.full((WINDOW, 40, 40), 0.5, np.float32)
    source[:, :, 20:] += 0.2 * (TIMES[:, None, None] % 2)  # moves
    still = still_region(source)
    assert still[:, :18].all() and not still[:, 22:].any()
    result = np.full((WINDOW, 40, 40), 0.5, np.float32)
    result[:, :, 25:] += 0.3 * (-1.0) ** TIMES[:, None, None]
    assert flicker(result, still) == pytest.approx(0, abs=1e-6)
    assert math.isnan(flicker(result, np.zeros((40, 40), bool)))


def test_luminance_weighs_channels_by_bt_709():
    frame = np.zeros((1, 3, 3), np.uint8)
    frame[0, [0, 1, 2], [0, 1, 2]] = 255
    assert luminance(frame)[0].tolist() == pytest.approx([0.2126, 0.7152, 0.0722])
    assert luminance(frame.astype(np.uint16) * 257)[0, 0] == pytest.approx(0.2126)


def test_appearance_by_hand(uniform):
    frame = uniform(51)
    frame[:4] = 153
    seen = appearance(frame)
    assert (seen.luminance, seen.contrast, seen.color) == pytest.approx((0.4, 0.2, 0), abs=1e-6)
    # A step of 0.4 between two rows of eight: ±0.4 along it, nothing elsewhere.
    assert seen.sharpness == pytest.approx(0.4 * (2 / 8) ** 0.5)
    red = uniform(0)
    red[..., 0] = 255
    expected = math.sqrt((0.7874**2 + 2 * 0.2126**2) / 3)
    assert appearance(red).color == pytest.approx(expected, rel=1e-5)


def test_drift_compares_the_last_second_with_the_second_one():
    source = [0.5] * 50
    result = [0.9] * 10 + [0.4] * 10 + [0.1] * 20 + [0.3] * 10
    assert drift_percent(result, source, 10) == pytest.approx(-25)


def test_what_the_source_does_is_no_drift():
    source = np.linspace(0.2, 0.8, 60)
    assert drift_percent(0.5 * source, source, 20) == pytest.approx(0, abs=1e-9)


def test_short_videos_are_divided_into_thirds():
    assert drift_percent([9, 9, 2, 2, 3, 3], [1] * 6, 25) == pytest.approx(50)
    assert math.isnan(drift_percent([1, 1], [1, 1], 25))
    assert math.isnan(drift_percent([1, 1, 1], [0, 0, 0], 25))
    assert math.isnan(drift_percent([1, 1, 1], [1, 1, 1e-16], 25))


def test_change_is_of_the_last_second_against_the_second_one():
    seconds = [9.0] * 10 + [2.0] * 10 + [7.0] * 15 + [2.5] * 10
    assert change_percent(seconds, 10) == pytest.approx(25)
    assert math.isnan(change_percent(seconds[:2], 10))
    assert math.isnan(change_percent([0.0] * 9, 1))
