"""What the window shows: source and painting side by side, and a bar that tells how it goes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from brushflow.common.sizes import fit_size, resized
from brushflow.live.controls import KEYS, Controls

PANEL = (640, 520)  # the most that a panel takes, (width, height) in pixels
_LEAST_WIDTH = 760  # what the bar's words need
_GAP, _BAR = 12, 74
_GROUND, _INK, _FAINT = (22, 24, 28), (232, 230, 225), (138, 143, 152)
_ACCENT, _RED = (251, 146, 60), (239, 68, 68)


@dataclass(frozen=True)
class Status:
    """The numbers of the bar: frames per second, seconds of latency, (width, height), seconds
    that have been recorded, None if nothing is."""

    rate: float
    latency: float
    size: tuple[int, int]
    recorded: float | None


def compose(
    source: np.ndarray, painting: np.ndarray, controls: Controls, status: Status
) -> np.ndarray:
    """The window's picture, uint8 (h, w, 3), from two (H, W, 3) of any size and the same shape."""
    height, width = source.shape[:2]
    size = fit_size((width, height), PANEL, enlarge=True)
    across = max(_LEAST_WIDTH, 2 * size[0] + 3 * _GAP)
    canvas = np.empty((size[1] + _GAP + _BAR, across, 3), np.uint8)
    canvas[:] = _GROUND
    left = (across - 2 * size[0] - _GAP) // 2
    for place, picture in ((left, source), (left + size[0] + _GAP, painting)):
        canvas[_GAP : _GAP + size[1], place : place + size[0]] = resized(picture, size)
    canvas[-_BAR:] = _bar(across, max(left, _GAP), controls, status)
    return canvas


def _bar(across: int, margin: int, controls: Controls, status: Status) -> np.ndarray:
    """Two lines: what is painted and how fast; which keys there are."""
    bar = Image.new("RGB", (across, _BAR), _GROUND)
    draw = ImageDraw.Draw(bar)
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)
    draw.text((margin, 24), controls.style, _ACCENT, large, anchor="lm")
    after = margin + draw.textlength(controls.style, large) + 18
    words = f"strength {controls.strength:.0%}     flow {'on' if controls.carry else 'off'}"
    draw.text((after, 24), words, _INK, small, anchor="lm")
    numbers = (
        f"{status.rate:.1f} frames/s     {1000 * status.latency:.0f} ms     "
        f"{status.size[0]} x {status.size[1]}"
    )
    draw.text((across - margin, 24), numbers, _INK, small, anchor="rm")
    place = float(margin)
    for key, meaning in KEYS:
        draw.text((place, 52), key, _INK, small, anchor="lm")
        place += draw.textlength(key, small) + 6
        draw.text((place, 52), meaning, _FAINT, small, anchor="lm")
        place += draw.textlength(meaning, small) + 20
    if status.recorded is not None:
        clock = f"{int(status.recorded) // 60}:{int(status.recorded) % 60:02d}"
        draw.text((across - margin, 52), clock, _RED, small, anchor="rm")
        dot = across - margin - draw.textlength(clock, small) - 14
        draw.ellipse((dot - 5, 47, dot + 5, 57), _RED)
    return np.asarray(bar)
