"""What is no number is refused before any work begins."""

from fractions import Fraction

import click
import pytest

from brushflow.cli_values import Finite, FrameRate


@pytest.mark.parametrize(
    "text, rate",
    [("25", 25), ("30000/1001", Fraction(30000, 1001)), ("0.5", Fraction(1, 2))],
)
def test_frame_rates_are_numbers_and_fractions(text, rate):
    assert FrameRate().convert(text, None, None) == rate


@pytest.mark.parametrize("text", ["0", "-3", "1/0", "nan", "inf", "fast", ""])
def test_other_frame_rates_are_refused(text):
    with pytest.raises(click.BadParameter, match="no frame rate"):
        FrameRate().convert(text, None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1.5"])
def test_shares_are_finite_and_in_range(text):
    assert Finite(0, 1).convert("0.25", None, None) == 0.25
    with pytest.raises(click.BadParameter):
        Finite(0, 1).convert(text, None, None)
