"""Kinds of value that options take, beyond those that click has."""

import math
from collections.abc import Collection
from fractions import Fraction
from typing import Any

import click


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


def odd_width(ctx: click.Context, param: click.Parameter, value: int) -> int:
    """Filter windows have a centre."""
    if value % 2 == 0:
        raise click.BadParameter("the width of a filter is an odd number; 1 means none")
    return value
