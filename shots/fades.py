"""Fades: frames that are the shot's own picture times a gain, and the rest one colour.

A picture that fades keeps its pattern, so its mean and its contrast go the same way, in a straight
line towards those of a frame of one colour. What motion does to both is little beside that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import cv2
import numpy as np

_MIDDLE = 0.14  # of each side that is left out: bars
_FLAT = 3.0  # grey levels of standard deviation; a picture that is gone has no more
_SEEN = 9.0  # a picture that can be seen has more
_SHORTEST = 3  # frames
_STEADY = 6  # frames at full light that a fade is measured by
_RISES = 1.02  # by how much contrast grows, within ``_STEADY`` frames, while a fade goes on
_CUT_OFF = 0.35  # of full contrast, at most, where a shot ends before its fade does
_OFF_LINE = 0.12  # of full light that mean and contrast may be off, for most of a fade's frames
_MOST = 0.9
_FOLLOWED = 0.05  # gain; with less, noise is what a picture's light is made of
# Of a motion between two frames: how sure it must be, and how far it may go, in shares of a side.
_LIKELY, _FARTHEST = 0.1, 0.25
LEAST_GAIN = 1 / 32  # with less a frame shows nothing


@dataclass(frozen=True)
class Fade:
    """Frames from ``first`` on are a picture at full light times their gain, plus ``colour``
    (RGB, 0–255) times the rest."""

    first: int
    gains: tuple[float, ...]
    colour: tuple[float, float, float]

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> "Fade":
        """Made of its fields' JSON values; ValueError, TypeError or KeyError for others."""
        red, green, blue = (float(value) for value in known["colour"])
        gains = tuple(float(gain) for gain in known["gains"])
        if type(known["first"]) is not int or not all(0 <= gain <= 1 for gain in gains):
            raise ValueError("a fade has a first frame, and gains from 0 to 1")
        return cls(known["first"], gains, (red, green, blue))


class FadeFinder:
    """Measures small grey frames as they pass by."""

    def __init__(self) -> None:
        self._light: list[tuple[float, float]] = []

    def add(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (H, W)."""
        middle = _middle(frame)
        self._light.append((float(middle.mean()), float(middle.std())))

    def find(
        self,
        cuts: Sequence[int],
        look: Callable[[Iterable[int]], Mapping[int, np.ndarray]],
    ) -> list[Fade]:
        """All fades, in order; a fade stays within its shot.

        Args:
            cuts: first frames of shots, ascending, without 0.
            look: gives frames by their indices, RGB uint8 (H, W, 3).
        """
        spans = []
        light = np.array(self._light).reshape(-1, 2)
        for start, end in zip([0, *cuts], [*cuts, len(light)], strict=True):
            shot = light[start:end]
            for first, gains in _fades_out(shot):
                spans.append(_Span(start + first - 1, 1, gains))
            for first, gains in _fades_out(shot[::-1]):
                spans.append(_Span(end - first, -1, gains))
        looked = look(index for span in spans for index in span.frames)
        fades = [span.fade([looked[index] for index in span.frames]) for span in spans]
        return sorted(filter(None, fades), key=lambda fade: fade.first)


@dataclass(frozen=True)
class _Span:
    """Frames from ``full`` light on, going by ``step``; ``gains`` are those of all but the first,
    as mean and contrast tell them."""

    full: int
    step: int
    gains: np.ndarray

    @property
    def frames(self) -> range:
        return range(self.full, self.full + self.step * (len(self.gains) + 1), self.step)

    def fade(self, frames: Sequence[np.ndarray]) -> Fade | None:
        """The fade of these ``frames``, RGB uint8 (H, W, 3); None if their pattern has gone and
        not their light."""
        pictures = [_middle(frame).astype(np.float32) for frame in frames]
        light, dark = pictures[0].mean((0, 1)), pictures[-1].mean((0, 1))
        rest = float(self.gains.min())
        colour = (dark - rest * light) / (1 - rest)  # where the picture is not quite gone
        colour = colour.clip(0, 255)
        gains = [1.0]
        for before, picture, usual, now in zip(
            pictures, pictures[1:], [1.0, *self.gains], self.gains, strict=False
        ):
            seen = now > _FOLLOWED
            ratio = _dimmed(before - colour, picture - colour) if seen else now / max(usual, 1e-6)
            gains.append(min(1.0, gains[-1] * ratio))
        if gains[-1] > _CUT_OFF:
            return None
        order = gains[:0:-1] if self.step < 0 else gains[1:]
        red, green, blue = (round(float(value), 1) for value in colour)
        first = min(self.frames[1], self.frames[-1])
        return Fade(first, tuple(round(float(gain), 4) for gain in order), (red, green, blue))


def _dimmed(before: np.ndarray, after: np.ndarray) -> float:
    """How much less light one picture has than the one before, where they show the same.

    Both float32 (H, W, 3), less the colour they fade to. What a camera's motion brings in and
    takes out does not count; what moves within the picture takes its light along.
    """
    height, width = before.shape[:2]
    one, other = (cv2.GaussianBlur(p.sum(2), (0, 0), 1) for p in (before, after))
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    norm = [max(float(p.std()), 1e-6) for p in (one, other)]
    (x, y), likely = cv2.phaseCorrelate(one / norm[0], other / norm[1], window)
    if likely < _LIKELY or max(abs(x) / width, abs(y) / height) > _FARTHEST:
        x = y = 0.0
    # Both go half of the way, so that interpolation takes the same from both.
    here, there = (
        cv2.warpAffine(
            p, np.array([[1, 0, sign * x / 2], [0, 1, sign * y / 2]], np.float32), (width, height)
        )
        for p, sign in ((before, 1), (after, -1))
    )
    left, top = ceil(abs(x) / 2) + 1, ceil(abs(y) / 2) + 1
    here, there = (p[top : height - top, left : width - left] for p in (here, there))
    return float(np.sqrt((there**2).mean() / max((here**2).mean(), 1e-6)))


def _middle(frame: np.ndarray) -> np.ndarray:
    """A frame without what may be bars."""
    height, width = frame.shape[:2]
    top, left = int(_MIDDLE * height), int(_MIDDLE * width)
    return frame[top : height - top, left : width - left]


def _fades_out(light: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Fades in which the light of a shot, (N, 2) mean and contrast, goes: their first frame below
    full light, and gains up to the first frame without a picture."""
    found = []
    contrast = light[:, 1]
    ends = [
        index for index in range(1, len(contrast)) if contrast[index] <= _FLAT < contrast[index - 1]
    ]
    if len(contrast) and contrast[-1] > _FLAT:
        ends.append(len(contrast) - 1)
    for end in ends:
        while end + 1 < len(contrast) and contrast[end + 1] < contrast[end]:
            end += 1
        begin = end
        while begin > 0 and contrast[max(0, begin - _STEADY) : begin].max() > (
            contrast[begin] * _RISES
        ):
            begin -= 1
        gains = _gains(light[max(0, begin - _STEADY) : begin + 1], light[begin + 1 : end + 1])
        if gains is not None:
            found.append((begin + 1, gains))
    return found


def _gains(full: np.ndarray, fading: np.ndarray) -> np.ndarray | None:
    """The gains (N,) of frames that fade after those at ``full`` light; None if they do not."""
    mean, contrast = full.mean(0)
    last = fading[-1, 1] / contrast if len(fading) and contrast >= _SEEN else 1.0
    if len(fading) < _SHORTEST or last > _CUT_OFF:
        return None
    # Where the line from full light through the last frame has no contrast left.
    end = (fading[-1, 0] - last * mean) / (1 - last) if last > 0 else fading[-1, 0]
    towards = np.array([mean - end, contrast])
    way = fading - np.array([end, 0.0])
    gains = way @ towards / (towards @ towards)
    off = np.linalg.norm(way - gains[:, None] * towards, axis=1) / np.linalg.norm(towards)
    falls = np.diff(gains).max(initial=-1.0) <= _OFF_LINE
    if (off <= _OFF_LINE).mean() < _MOST or not falls:
        return None
    return gains.clip(0, 1)
