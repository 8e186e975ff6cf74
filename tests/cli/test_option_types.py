"""What is no number is refused before any work begins."""

import importlib
from fractions import Fraction
from pathlib import Path

import click
import pytest

import brushflow
from brushflow.cli.option_types import Finite, FrameRate, Pixels, Share


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


@pytest.mark.parametrize(
    ("text", "pixels"),
    [("1280", 1280), ("720p", 1280), ("1080P", 1920), ("480p", 854), ("4k", 3840), ("640px", 640)],
)
def test_sizes_may_be_called_as_formats_are(text, pixels):
    assert Pixels(16).convert(text, None, None) == pixels


@pytest.mark.parametrize("text", ["", "p", "-5", "12.5", "1280x720", "8p", "15", "big", "٣٢٠"])
def test_other_sizes_are_refused(text):
    with pytest.raises(click.BadParameter, match=r"longest side|the least is 16"):
        Pixels(16).convert(text, None, None)


def all_commands():
    """(file, command) of all that the project has."""
    root = Path(brushflow.__file__).parent
    for path in [root / "stylize_video.py", root / "train_video.py", *root.glob("scripts/**/*.py")]:
        name = ".".join(["brushflow", *path.relative_to(root).with_suffix("").parts])
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, click.Command):
                parts = value.commands.values() if isinstance(value, click.Group) else ()
                yield from ((name, command) for command in (value, *parts))


def test_a_longest_side_is_read_alike_by_all_commands():
    read = []
    for name, command in all_commands():
        for option in command.params:
            named = {"--max-size", "--flow-size", "--live-size"}.intersection(option.opts)
            if named or "longest side" in (getattr(option, "help", "") or "").lower():
                read.append((name, option.opts[0], isinstance(option.type, Pixels)))
    assert len(read) > 10
    assert [place for *place, alike in read if not alike] == []


@pytest.mark.parametrize(
    ("text", "meant"), [("50", "0.5"), ("50%", "0.5"), ("2", "0.02"), ("0.5%", "0.005")]
)
def test_who_means_a_percentage_is_told_the_share(text, meant):
    with pytest.raises(click.BadParameter, match=f"did you mean {meant}"):
        Share().convert(text, None, None)


def test_shares_are_numbers_from_0_to_1():
    assert [Share().convert(text, None, None) for text in ("0", "0.5", "1")] == [0, 0.5, 1]
    for text in ("-1", "101", "nan", "half", ""):
        with pytest.raises(click.BadParameter):
            Share().convert(text, None, None)
