"""Kinds of value that options take, beyond those that click has."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import Field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, cast, get_args, get_origin

import click

from brushflow.common.option_fields import OptionField, option_of
from brushflow.video import HARDWARE, hardware_encoder


class Seconds(click.ParamType):
    """Seconds, or hh:mm:ss with fractions."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            parts = [Fraction(part) for part in value.split(":")]
            if len(parts) > 3 or any(part < 0 for part in parts):
                raise ValueError
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is no time; write seconds or hh:mm:ss, as in 12.5 or 00:01:10")
        return sum((part * 60**n for n, part in enumerate(reversed(parts))), Fraction(0))


class FrameRate(click.ParamType):
    """Frames per second: a number or a fraction above 0."""

    name = "fraction"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        try:
            rate = Fraction(value)
            if rate <= 0:
                raise ValueError
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is no frame rate; write one as in 25 or 30000/1001", param, ctx)
        return rate


class Finite(click.FloatRange):
    """A number from a range, and neither infinite nor "nan"."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class Share(Finite):
    """A number from 0 to 1; who writes a percentage is told the share."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(str(value).rstrip("% "))
        except ValueError:
            number = math.nan
        percentage = number > 1 or str(value).endswith("%")
        if percentage and 0 <= number <= 100:
            self.fail(
                f"{value!r} is no share from 0 to 1; did you mean {number / 100:g}?", param, ctx
            )
        return super().convert(value, param, ctx)


class Pixels(click.ParamType):
    """The longest side of a picture: a number, or what formats of 16:9 are called (720p, 4k)."""

    name = "n"
    _WIDTHS: ClassVar = {"4k": 3840, "8k": 7680}

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().lower()
        pixels = self._WIDTHS.get(text)
        if pixels is None:
            lines = re.fullmatch(r"(\d{1,9})(p|px)?", text, re.ASCII)
            if lines is None:
                self.fail(
                    f"{value!r} is no length; write the longest side in pixels, as in 1280, or a "
                    f"format's name, as in 720p",
                    param,
                    ctx,
                )
            pixels = int(lines[1])
            if lines[2] == "p":
                pixels = round(pixels * 8 / 9) * 2  # even, as 854 for 480p
        if pixels < self.least:
            self.fail(f"{value!r} is too small; the least is {self.least} pixels", param, ctx)
        return pixels


class Stroke(Finite):
    """How many times as wide strokes are, or auto, which is None."""

    name = "n|auto"

    # What it returns is more than a FloatRange may, so it is Any: a float or None.
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return None if value == "auto" else super().convert(value, param, ctx)


class Bars(click.ParamType):
    """Rows and columns around the picture, T:B:L:R, or whether to look for them."""

    name = "auto|none|t:b:l:r"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if text in ("auto", "none") or re.fullmatch(r"\d{1,5}(:\d{1,5}){3}", text, re.ASCII):
            return text
        self.fail(
            f"{value!r} is neither auto nor none, nor four numbers of pixels for the top, the "
            f"bottom, the left and the right, as in 132:132:0:0",
            param,
            ctx,
        )


class Names(click.ParamType):
    """A comma-separated choice of some names."""

    name = "names"

    def __init__(self, choices: Collection[str]) -> None:
        self.choices = choices

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        unknown = [name for name in names if name not in self.choices]
        if unknown:
            self.fail(f"{unknown[0]!r} is none of {', '.join(self.choices)}", param, ctx)
        return names


class Jobs(click.ParamType):
    """How many processes: a number from 1 on, or auto."""

    name = "n|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if value == "auto" or (isinstance(value, int) and value > 0):
            return value
        if isinstance(value, str) and value.isdecimal() and int(value) > 0:
            return int(value)
        self.fail(f"{value!r} is no number of processes; write one from 1 on, or auto", param, ctx)


class OddWidth(click.IntRange):
    """The width of a filter's window, which has a centre."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        width: int = super().convert(value, param, ctx)
        if width % 2 == 0:
            self.fail("the width of a filter is an odd number; 1 means none", param, ctx)
        return width


class OneOf(click.Choice):
    """One of some values, text or numbers, which may have other spellings ``also``."""

    def __init__(self, choices: Iterable[Any], also: Mapping[str, str] | None = None) -> None:
        self._values = {str(value): value for value in choices}
        self._also = also or {}
        super().__init__(list(self._values))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = self._also.get(str(value), str(value))
        return self._values[super().convert(text, param, ctx)]


class Listed(click.ParamType):
    """Comma-separated values of one type, as a tuple."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.name = "a,b,…"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple:
        """Read the text; a tuple is there already."""
        if isinstance(value, tuple | list):
            return tuple(self.kind(part) for part in value)
        try:
            return tuple(self.kind(part.strip()) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers such as 1,0.5", param, ctx)


class Codec(click.ParamType):
    """The name of a codec or encoder; ``auto-hw`` becomes that of a GPU's, None if none works.

    It is decided here once, so that other processes encode alike, and a run goes on as it began.
    """

    name = "name"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | None:
        """See the class."""
        if value != HARDWARE:
            return value
        found = hardware_encoder()
        if found is None:
            click.echo("No encoder of a GPU works here; the processor encodes.", err=True)
        return found


class Size(click.ParamType):
    """Width and height in pixels, as in 854x480."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,4})[x×]([1-9]\d{0,4})", str(value))
        if match is None:
            self.fail(f"{value!r} is not a size like 854x480", param, ctx)
        return int(match[1]), int(match[2])


# By ``OptionField.written``: made of what stands with the field.
_WRITTEN: dict[str, Callable[[OptionField], click.ParamType]] = {
    "time": lambda option: Seconds(),
    "rate": lambda option: FrameRate(),
    "side": lambda option: Pixels(int(option.least or 1)),
    "share": lambda option: Share(),
    "stroke": lambda option: Stroke(option.least, option.most),
    "bars": lambda option: Bars(),
    "odd": lambda option: OddWidth(),
    "codec": lambda option: Codec(),
}


def type_of(field: "Field[Any]") -> click.ParamType:
    """How an option's value is read, as its field's type says, and what stands with it."""
    option = option_of(field)
    if option.written:
        return _WRITTEN[option.written](option)
    inner = [kind for kind in get_args(field.type) if kind not in (type(None), Ellipsis)]
    several = get_origin(field.type) is tuple
    kind: Any = inner[0] if inner else field.type
    least, most = option.least, option.most
    if option.choices:
        return Names(option.choices) if several else OneOf(option.choices, option.also)
    if several and not option.repeated:
        return Listed(kind)
    if kind is Path:
        return click.Path(path_type=Path)
    if kind is float and (least, most) != (None, None):
        return Finite(least, most)
    if kind is int and (least, most) != (None, None):
        return click.IntRange(cast("int | None", least), cast("int | None", most))
    return click.types.convert_type(kind)
