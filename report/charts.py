"""Plots over time as SVG, drawn here so that the page needs no library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 26


@dataclass(frozen=True)
class Line:
    """One video's series: its name, its number (which gives the colour) and a value per frame."""

    name: str
    number: int
    values: Sequence[float | None]


def line_chart(title: str, lines: Sequence[Line], frame_rate: float) -> str:
    """A plot as an <svg> element: seconds to the right, values from 0 or near the lowest up.

    Frames without a value are bridged. Texts are escaped; colours come from the page's style.
    """
    frames = max(len(line.values) for line in lines)
    points = [
        [(frame, value) for frame, value in enumerate(line.values) if value is not None]
        for line in lines
    ]
    values = [value for each in points for _, value in each]
    low, high, step = axis(min(values), max(values))
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def x(frame: float) -> float:
        return _LEFT + (right - _LEFT) * frame / max(1, frames - 1)

    def y(value: float) -> float:
        return bottom - (bottom - _TOP) * (value - low) / (high - low)

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" data-left="{_LEFT}" '
        f'data-right="{right}" data-frames="{frames}"><title>{escape(title)}</title>'
    ]
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" {_level(y(value))}/>')
        text = f"{0 if abs(value) < step / 1e6 else value:g}"
        parts.append(f'<text class="value" x="{_LEFT - 6}" y="{y(value) + 3.5:.1f}">{text}</text>')
    for second, text in _seconds((frames - 1) / frame_rate):
        place = f'x="{x(second * frame_rate):.1f}" y="{HEIGHT - 8}"'
        parts.append(f'<text class="time" {place}>{text}</text>')
    for line, each in zip(lines, points, strict=True):
        path = " ".join(f"{x(frame):.1f},{y(value):.1f}" for frame, value in each)
        if len(each) == 1:
            (frame, value), *_ = each
            place = f'cx="{x(frame):.1f}" cy="{y(value):.1f}"'
            parts.append(f'<circle class="line c{line.number}" {place} r="2"/>')
        elif each:
            parts.append(
                f'<polyline class="line c{line.number}" points="{path}">'
                f"<title>{escape(line.name)}</title></polyline>"
            )
    parts.append(f'<line class="playhead" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{bottom}"/>')
    return "".join(parts) + "</svg>"


def axis(lowest: float, highest: float) -> tuple[float, float, float]:
    """(low, high, step) of an axis with round numbers that holds both values.

    It begins at 0 unless that would squeeze the values into its upper half.
    """
    if 0 < lowest < highest / 2:
        lowest = 0.0
    if highest - lowest < 1e-12:
        lowest, highest = min(lowest, 0.0), max(highest, lowest + (abs(lowest) or 1.0))
    rough = (highest - lowest) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough * (1 - 1e-9))
    return (
        math.floor(lowest / step + 1e-9) * step,
        math.ceil(highest / step - 1e-9) * step,
        step,
    )


def _seconds(duration: float) -> list[tuple[float, str]]:
    """Marks of the time axis: seconds and what is written there."""
    rough = max(duration, 1e-3) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))
    count = math.floor(duration / step + 1e-9)
    return [(i * step, f"{i * step:g} s") for i in range(count + 1)]


def _level(height: float) -> str:
    return f'y1="{height:.1f}" y2="{height:.1f}"'
