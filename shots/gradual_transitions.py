"""Gradual changes of shot, found while small grey frames pass by: fades and dissolves.

Both are changes of a kind that motion does not make, and are told by what they do to the picture:

- A *fade* takes all contrast out of it, and what comes after is another picture.
- A *dissolve* mixes two pictures: every frame lies on the line between one before and one after
  it, and moves along that line without a leap. Of frames of a moving camera that are unlike each
  other, none lies between two others, unless what passes is smooth; so a frame that shows parts
  of both ends elsewhere is none of a dissolve.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

_FLAT = 4.0  # grey levels of standard deviation; no picture can be seen with less
_SEEN = 9.0  # grey levels; a picture can
_MOST_ALIKE = 0.7  # correlation of the pictures before and after a gradual change
_LENGTHS = (10, 20, 36)  # frames; distances over which a dissolve is looked for
_LEAST_CONTRAST = 6.0  # grey levels of standard deviation at both ends of a dissolve
_MOST_CONTRAST = 0.97  # of the ends' mean, in the middle: pictures that are mixed grey each other
_MOST_OFF_LINE = 0.13  # of the squared distance of the ends, for the median frame
_LARGEST_STEP = 0.4  # of the way, between neighbouring frames
_MOST_MOVED = 0.9  # correlation of the middle of an end with its best place half-way
_BETWEEN = (0.15, 0.85)  # of the way, where a frame shows both pictures


@dataclass(frozen=True)
class Transition:
    """A change of shot.

    ``kind``: "cut", "fade" or "dissolve"; ``first`` to ``last``: the frames that are of neither
    shot, for a cut the frame after it; ``at``: where the new shot begins for the pipeline.
    """

    kind: str
    first: int
    last: int
    at: int


class FadeDetector:
    """Finds pictures that vanish and come back as others, through black, white or any colour."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int, int]] = []  # last seen before, last flat, seen again
        self._before: tuple[int, np.ndarray] | None = None  # the last picture that could be seen
        self._flat: int | None = None  # the last flat frame after it
        self._contrast: list[float] = []

    def add(self, small: np.ndarray) -> None:
        """Take the next frame, float32 (H, W) in grey levels, blurred."""
        index, contrast = len(self._contrast), float(small.std())
        self._contrast.append(contrast)
        if contrast <= _FLAT:
            self._flat = index
        elif contrast >= _SEEN:
            before, flat = self._before, self._flat
            if before and flat is not None and correlation(before[1], small) <= _MOST_ALIKE:
                self._found.append((before[0], flat, index))
            self._before, self._flat = (index, small), None

    def transitions(self) -> list[Transition]:
        """Those found so far; a fade is as long as the contrast falls before it and rises after."""
        transitions = []
        for before, flat, after in self._found:
            while before > 0 and self._contrast[before - 1] > self._contrast[before]:
                before -= 1
            while after + 1 < len(self._contrast) and (
                self._contrast[after + 1] > self._contrast[after]
            ):
                after += 1
            transitions.append(Transition("fade", before + 1, after - 1, flat + 1))
        return transitions


class DissolveDetector:
    """Finds pictures that turn into others by mixing."""

    def __init__(self) -> None:
        self._candidates: list[tuple[float, Transition]] = []
        self._recent: deque[np.ndarray] = deque(maxlen=max(_LENGTHS) + 1)
        self._contrast: deque[float] = deque(maxlen=max(_LENGTHS) + 1)
        self._index = 0
        self._shape = (0, 0)

    def add(self, small: np.ndarray) -> None:
        """Take the next frame, float32 (H, W) in grey levels, blurred."""
        self._shape = small.shape
        self._recent.append(small.ravel())
        self._contrast.append(float(small.std()))
        for length in _LENGTHS:
            if len(self._recent) > length:
                self._look(length)
        self._index += 1

    def _look(self, length: int) -> None:
        """Is there a dissolve in the last ``length`` + 1 frames?"""
        begin, end = self._recent[-length - 1], self._recent[-1]
        if min(self._contrast[-length - 1], self._contrast[-1]) < _LEAST_CONTRAST:
            return
        if correlation(begin, end) > _MOST_ALIKE:
            return
        way = end - begin
        distance = float(way @ way)
        frames = np.stack([self._recent[i] for i in range(-length, -1)]) - begin
        along = frames @ way / distance
        off = np.einsum("ij,ij->i", frames, frames) / distance - along**2
        place = np.concatenate([[0.0], along, [1.0]])
        steps = np.diff(place)
        between = (along > _BETWEEN[0]) & (along < _BETWEEN[1])
        if between.sum() < 6 or steps.max() > _LARGEST_STEP or steps.min() < -0.1:
            return
        off_line = float(np.median(off[between]))
        if off_line > _MOST_OFF_LINE:
            return
        inside = np.flatnonzero(between)
        middle = int(np.argmax(along >= 0.5))
        ends = (self._contrast[-length - 1] + self._contrast[-1]) / 2
        if self._contrast[middle - length] > _MOST_CONTRAST * ends:
            return
        half_way = self._recent[middle - length]
        if all(_shows_part_of(half_way, picture, self._shape) for picture in (begin, end)):
            return
        offset = self._index - length + 1  # the frame of along[0]
        found = Transition(
            "dissolve", offset + int(inside[0]), offset + int(inside[-1]), offset + middle
        )
        self._candidates.append((off_line, found))

    def whole(self, index: int) -> tuple[int, int]:
        """First and last frame of all that was found, at any length, and includes ``index``."""
        around = [one for _, one in self._candidates if one.first <= index <= one.last]
        return min(one.first for one in around), max(one.last for one in around)

    def transitions(self) -> list[Transition]:
        """Those found so far, of several that overlap the clearest."""
        chosen: list[Transition] = []
        for _, one in sorted(self._candidates, key=lambda candidate: candidate[0]):
            if all(abs(one.at - other.at) > max(_LENGTHS) // 2 for other in chosen):
                chosen.append(one)
        return sorted(chosen, key=lambda one: one.at)


def _shows_part_of(frame: np.ndarray, other: np.ndarray, shape: tuple[int, int]) -> bool:
    """Whether the middle of ``other`` is to be seen somewhere in ``frame``; both flat float32."""
    height, width = shape
    part = other.reshape(shape)[height // 4 : -(height // 4) or None, width // 4 : -(width // 4)]
    likeness = cv2.matchTemplate(frame.reshape(shape), part, cv2.TM_CCOEFF_NORMED)
    return float(likeness.max()) > _MOST_MOVED


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """That of two grey pictures (H, W), in [−1, 1]; 1 if one of them has no contrast."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 1.0
