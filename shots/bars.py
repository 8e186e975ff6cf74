"""Bars: what lies around the picture because the film has another shape than its file.

Small frames tell how many of their outermost rows and columns are of one colour, shot by shot;
a few frames at full size tell where exactly the picture begins.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from brushflow.common.sizes import resized
from brushflow.shots.cuts import scan_size

# Rows and columns at the top, bottom, left and right.
Sides = tuple[int, int, int, int]
NO_BARS: Sides = (0, 0, 0, 0)

_ALIKE = 10  # grey levels around a bar's own that are of it: noise, ringing
_PLAIN = 0.6  # of a line's pixels; the rest may be a logo, or a subtitle
_PICTURE = 0.5  # of a line's pixels are something else where the picture begins
_CLEAN = 0.25  # of a bar's pixels may be something else in the frames that are looked at
_FLAT = 4.0  # grey levels around it just before the edge, which is sharp but for
_SOFT = 4  # rows
_NEAR = 0.2  # of the picture, where more of it than its first line must be something else
_SEEN = 9.0  # grey levels of standard deviation in frames that tell anything
_FEWEST = 0.1  # of a shot's frames may show less of a bar, as subtitles come and go
_LARGEST = 0.45  # of a side; a wider bar is a dark picture
_MOST_KINDS = 8  # of bars in one video that are looked at closely
_LOOKS = (1 / 6, 1 / 2, 5 / 6)  # where in a shot


class BarFinder:
    """Counts the plain rows and columns around small grey frames as they pass by."""

    def __init__(self) -> None:
        self._counts: list[Sides | None] = []
        self._size = (0, 0)

    def add(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (H, W), all of one size."""
        self._size = frame.shape
        if frame.std() < _SEEN:
            self._counts.append(None)
            return
        counts = [_plain_lines(view) for view in (frame, frame[::-1], frame.T, frame.T[::-1])]
        self._counts.append((counts[0], counts[1], counts[2], counts[3]))

    def find(
        self,
        cuts: Sequence[int],
        look: Callable[[Iterable[int]], Mapping[int, np.ndarray]],
    ) -> list[tuple[int, Sides]]:
        """Where bars change: a shot's first frame, and how wide they are from there on.

        Args:
            cuts: first frames of shots, ascending, without 0.
            look: gives frames by their indices at full size, grey uint8 (H, W).

        A shot too dark to tell has the video's usual bars, if it may.
        """
        total = len(self._counts)
        starts = [0, *cuts]
        shots = [
            _Shot.of(start, self._counts[start:end])
            for start, end in zip(starts, [*cuts, total], strict=True)
        ]
        frames: Counter[Sides] = Counter()
        first: dict[Sides, _Shot] = {}
        for shot in shots:
            if shot.told and any(self._narrow(shot.sides)):
                frames[self._narrow(shot.sides)] += shot.frames
                first.setdefault(self._narrow(shot.sides), shot)
        exact: dict[Sides, Sides] = {}
        kinds = [sides for sides, _ in frames.most_common(_MOST_KINDS)]
        looked = look(index for sides in kinds for index in first[sides].told)
        for sides in kinds:
            found = exact_bars([looked[index] for index in first[sides].told], sides, self._size)
            if any(found):
                exact[sides] = found
        changes: list[tuple[int, Sides]] = []
        before = NO_BARS
        for shot in shots:
            fitting = [
                sides
                for sides, _ in frames.most_common()
                if sides in exact and all(a <= b for a, b in zip(sides, shot.sides, strict=True))
            ]
            own = self._narrow(shot.sides)
            chosen = own if own in exact else next(iter(fitting), None)
            around = NO_BARS if chosen is None else exact[chosen]
            if around != before:
                changes.append((shot.first, around))
            before = around
        return changes

    def _narrow(self, sides: Sides) -> Sides:
        """The same without what is too wide for a bar."""
        most = [_LARGEST * length for length in self._size]
        top, bottom = (side if side <= most[0] else 0 for side in sides[:2])
        left, right = (side if side <= most[1] else 0 for side in sides[2:])
        return top, bottom, left, right


def bars_of(picture: np.ndarray) -> Sides:
    """Those of a single picture, uint8 or uint16 (H, W, 3 or more) RGB, in its pixels."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY)
    if grey.dtype == np.uint16:
        grey = (grey >> 8).astype(np.uint8)
    finder = BarFinder()
    finder.add(resized(grey, scan_size(grey.shape[1], grey.shape[0])))
    found = finder.find([], lambda wanted: dict.fromkeys(wanted, grey))
    return found[0][1] if found else NO_BARS


def sides_of(numbers: Iterable[int]) -> Sides:
    """Four whole numbers from 0 up; ValueError for others."""
    top, bottom, left, right = numbers
    if not all(type(side) is int and side >= 0 for side in (top, bottom, left, right)):
        raise ValueError("bars are whole numbers of pixels")
    return top, bottom, left, right


@dataclass(frozen=True)
class _Shot:
    """``sides``: what at least of a shot is plain; ``told``: frames that told so, a few."""

    first: int
    frames: int
    sides: Sides
    told: list[int]

    @classmethod
    def of(cls, first: int, counts: Sequence[Sides | None]) -> "_Shot":
        known = [index for index, sides in enumerate(counts) if sides is not None]
        if not known:
            return cls(first, len(counts), (1 << 16,) * 4, [])
        table = np.array([counts[index] for index in known])
        least = np.quantile(table, _FEWEST, axis=0, method="lower")
        top, bottom, left, right = (int(count) for count in least)
        told = sorted({first + known[int(place * len(known))] for place in _LOOKS})
        return cls(first, len(counts), (top, bottom, left, right), told)


def _plain_lines(frame: np.ndarray) -> int:
    """How many rows from the first on are of its colour."""
    lines = frame.astype(np.int16) - int(np.sort(frame[0])[frame.shape[1] // 2])
    if (abs(lines[0]) <= _ALIKE).mean() < _PLAIN:
        return 0
    plain = (abs(lines) <= _ALIKE).mean(1) >= _PLAIN
    return len(plain) if plain.all() else int(plain.argmin())


def exact_bars(frames: Sequence[np.ndarray], sides: Sides, size: tuple[int, int]) -> Sides:
    """Bars in pixels of ``frames``, grey uint8 (H, W), all of one shot.

    ``sides`` are those of the same frames at ``size`` (h, w). Where there is no straight and sharp
    edge, as between a dark sky and a roof, there is no bar.
    """
    height, width = frames[0].shape
    scale_down, scale_across = height / size[0], width / size[1]
    top, bottom, left, right = sides
    standing = [frame.T for frame in frames]
    return (
        _edge(frames, top, scale_down),
        _edge([frame[::-1] for frame in frames], bottom, scale_down),
        _edge(standing, left, scale_across),
        _edge([frame[::-1] for frame in standing], right, scale_across),
    )


def _edge(frames: Sequence[np.ndarray], count: int, scale: float) -> int:
    """How many rows of the frames are a bar, about ``count`` times ``scale``; 0: none is."""
    if count == 0:
        return 0
    colour = np.median(np.stack([frame[0] for frame in frames]))
    away = np.stack([np.abs(frame.astype(np.float32) - colour) for frame in frames])
    other = (away > _ALIKE).mean(2).max(0)
    begin = max(1, int((count - 0.5) * scale))
    end = min(len(other) - 1, int((count + 1.5) * scale) + 2)
    for row in range(begin, end):
        if other[row] >= _PICTURE:
            beyond = other[row : row + round(_NEAR * len(other))]
            ramp = np.median(away[:, max(0, row - _SOFT)], axis=1).max()
            clean = np.median(other[:row]) <= _CLEAN and ramp <= _FLAT
            return row if clean and beyond.mean() >= _PICTURE else 0
    return 0
