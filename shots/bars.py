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
_WRITTEN = 0.45  # of a bar's pixels are plain at least, however much is written on it
_PICTURE = 0.5  # of a line's pixels are something else where the picture begins
_CLEAN = 0.25  # of a bar's pixels may be something else in the frames that are looked at
_FLAT = 4.0  # grey levels around it just before the edge, which is sharp but for
_SOFT = 4  # rows
_NEAR = 0.2  # of the picture, where more of it than its first line must be something else
_SEEN = 9.0  # grey levels of standard deviation in frames that tell anything
_FEWEST = 0.1  # of a shot's frames may show less of a bar
_BARE = 0.1  # of a shot's frames show all of a bar that is written on in the others
_LARGEST = 0.45  # of a side; a wider bar is a dark picture
_MOST_KINDS = 12  # of bars in one video that are looked at closely
_LOOKS = (1 / 6, 1 / 2, 5 / 6)  # where in a shot
_OPPOSITE = [1, 0, 3, 2]  # of which sides; what is written on is a bar where there are two


class BarFinder:
    """Counts the plain rows and columns around small grey frames as they pass by."""

    def __init__(self) -> None:
        self._counts: list[tuple[Sides, Sides] | None] = []
        self._size = (0, 0)

    def add(self, frame: np.ndarray) -> None:
        """Take the next frame, uint8 (H, W), all of one size."""
        self._size = frame.shape
        if frame.std() < _SEEN:
            self._counts.append(None)
            return
        views = (frame, frame[::-1], frame.T, frame.T[::-1])
        bare, written = zip(*map(_plain_lines, views), strict=True)
        self._counts.append((sides_of(bare), sides_of(written)))

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
            _Shot.of(start, self._counts[start:end], self._narrow)
            for start, end in zip(starts, [*cuts, total], strict=True)
        ]
        frames: Counter[Sides] = Counter()
        told: dict[Sides, list[int]] = {}
        for shot in shots:
            for sides, indices in shot.told.items():
                if any(sides):
                    frames[sides] += shot.frames
                    told.setdefault(sides, indices)
        exact: dict[Sides, Sides] = {}
        kinds = [sides for sides, _ in frames.most_common(_MOST_KINDS)]
        looked = look(index for sides in kinds for index in told[sides])
        for sides in kinds:
            found = exact_bars([looked[index] for index in told[sides]], sides, self._size)
            if any(found):
                exact[sides] = found
        changes: list[tuple[int, Sides]] = []
        before = NO_BARS
        for shot in shots:
            around = max(
                (found for sides, found in exact.items() if shot.may_have(sides, found)),
                key=lambda sides: (sum(map(bool, sides)), sum(sides)),
                default=NO_BARS,
            )
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
    """``bare``: what is plain at least in its frames; ``written``: the same, but for letters;
    ``told``: what are its bars, or may be those that are written on, and frames that told so."""

    first: int
    frames: int
    bare: Sides
    written: Sides
    told: dict[Sides, list[int]]

    @classmethod
    def of(
        cls,
        first: int,
        counts: Sequence[tuple[Sides, Sides] | None],
        narrow: Callable[[Sides], Sides],
    ) -> "_Shot":
        known = [(index, *sides) for index, sides in enumerate(counts, first) if sides is not None]
        if not known:
            all_of_it = (1 << 16,) * 4
            return cls(first, len(counts), all_of_it, all_of_it, {})
        bare = np.array([sides for _, sides, _ in known])
        least, room = (
            np.quantile(table, _FEWEST, axis=0, method="lower")
            for table in (bare, [sides for *_, sides in known])
        )
        most = np.minimum(np.quantile(bare, 1 - _BARE, axis=0, method="lower"), room)
        most = np.where(least[_OPPOSITE] > 0, most, least)
        everywhere = [index for index, *_ in known]
        where = [index for index, counted, _ in known if (counted >= most).all()]
        told: dict[Sides, list[int]] = {}
        for sides, telling in ((least, everywhere), (most, where or everywhere)):
            some = sorted({telling[int(place * len(telling))] for place in _LOOKS})
            told.setdefault(narrow(sides_of(sides.tolist())), some)
        return cls(first, len(counts), sides_of(least.tolist()), sides_of(room.tolist()), told)

    def may_have(self, sides: Sides, found: Sides) -> bool:
        """Whether bars may be as wide as ``found`` where so much is plain, here or elsewhere.

        Of two that lie opposite each other, one may be written on all the time.
        """
        if sides == next(iter(self.told), None):
            return True
        if any(found[i] > 0 == found[across] for i, across in enumerate(_OPPOSITE)):
            return False  # one alone is a dark part of a picture as likely
        if sides in self.told:
            return True
        sides = sides_of(side if width else 0 for side, width in zip(sides, found, strict=True))
        bare = [side <= here for side, here in zip(sides, self.bare, strict=True)]
        return all(
            bare[i] or (bare[across] and sides[i] <= self.written[i])
            for i, across in enumerate(_OPPOSITE)
        )


def _plain_lines(frame: np.ndarray) -> tuple[int, int]:
    """How many rows from the first on are of its colour, each, and all of them but for letters."""
    away = np.abs(frame.astype(np.int16) - int(np.sort(frame[0])[frame.shape[1] // 2]))
    plain = (away <= _ALIKE).mean(1)
    shares = plain.cumsum() / np.arange(1, len(plain) + 1)
    bare, written = (
        len(rows) if rows.all() else int(rows.argmin())
        for rows in (plain >= _PLAIN, shares >= _WRITTEN)
    )
    return bare, written


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
