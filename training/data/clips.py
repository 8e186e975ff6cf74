"""Ordinary video files as training sequences, with estimated flow and reliability."""

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from collections.abc import Sequence as Paths
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.sizes import fit_size
from brushflow.flow import FlowEstimator, bidirectional
from brushflow.occlusion import reliability
from brushflow.shots.cuts import CutDetector, scan_size
from brushflow.training.data.places import files_by_folder
from brushflow.training.data.simulated import Sequence, Size
from brushflow.training.data.windows import Strip, draw_window
from brushflow.video import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Source, open_source

logger = logging.getLogger(__name__)

MAX_GAP = 3  # frames; a larger distance makes calm shots move
_CHUNK = 16  # frames decoded at once
_CACHE_BYTES = 1 << 30
_ATTEMPTS = 20


def find_videos(folder: Path) -> list[Path]:
    """All video files, and folders of frames, in the folder and below it, sorted.

    A folder that holds two pictures and no video is a video of its pictures, as DAVIS and Sintel
    are laid out. UsageError if there are none.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder of videos {folder}.")
    paths: list[Path] = []
    for here, files in files_by_folder(folder):
        videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
        pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        motion = any(path.name.endswith((".flo", ".flow.png")) for path in files)
        if not videos and len(pictures) > 1 and not motion:
            videos = [here]
        paths += videos
    if not paths:
        raise UsageError(f"The folder {folder} holds no videos.")
    return sorted(paths)


def names_below(folder: Path, paths: Paths[Path]) -> list[str]:
    """A name for each video, from its place below ``folder``; endings stay only if they tell apart.

    Frames right in ``folder`` are called as it is.
    """
    whole = ["__".join(path.relative_to(folder).parts) or folder.absolute().name for path in paths]
    short = [
        name if path.is_dir() else name.removesuffix(path.suffix)
        for path, name in zip(paths, whole, strict=True)
    ]
    # Folders may be called so, and some systems take A and a for one.
    taken = Counter(name.casefold() for name in short)
    return [
        name if taken[name.casefold()] == 1 else long
        for name, long in zip(short, whole, strict=True)
    ]


@dataclass(frozen=True)
class Shots:
    """An opened video: its time table, and where its shots are (first frame, length)."""

    source: Source
    table: list[int]
    shots: list[tuple[int, int]]


def scan_shots(path: Path, check: Callable[[], None] = lambda: None) -> Shots:
    """Look at all frames once, small and grey; BrushflowError if they cannot be decoded.

    ``check`` is called for each.
    """
    source = open_source(path)
    table: list[int] = []
    detector = CutDetector()
    small = scan_size(source.info.width, source.info.height)
    for frame in source.read(size=small, gray=True):
        check()
        table.append(frame.pts)
        detector.add(frame.pixels)
    starts = [0, *detector.cuts()]
    ends = [*starts[1:], len(table)]
    return Shots(source, table, [(a, b - a) for a, b in zip(starts, ends, strict=True)])


class Clips:
    """Draws windows of random places inside the shots of videos.

    Frames are scaled to just cover ``least`` (height, width); flow is estimated on the whole
    frames, as it is when a video is stylized. Decoded frames are kept up to a gigabyte. May be
    called from several threads; what is drawn depends on ``random`` only.
    """

    def __init__(self, paths: Paths[Path], least: Size, estimator: FlowEstimator) -> None:
        self.paths = list(paths)
        self.least = least
        self.estimator = estimator
        self._scans: dict[Path, Shots | None] = {}
        self._locks = {path: threading.Lock() for path in self.paths}
        self._frames = _ByteCache(_CACHE_BYTES)

    def sequence(self, size: Size, steps: int, random: np.random.Generator) -> Sequence:
        """A sequence of ``steps`` steps in windows of ``size`` with motion in it.

        Prefers motion that can be learned from: windows that hardly move, or that move so far
        that little can be traced, are drawn again a few times.
        """
        last: Sequence | None = None
        for _ in range(_ATTEMPTS):
            strip = self._strip(steps, random)
            if strip is None:
                continue
            last, useful = draw_window(strip, size, random)
            if useful:
                return last
        if last is None:
            raise UsageError(
                f"None of the videos drawn from {self.paths[0].parent} has {steps + 1} frames "
                f"in a row that can be decoded."
            )
        return last

    def _strip(self, steps: int, random: np.random.Generator) -> Strip | None:
        """Whole frames in a row from one shot, None if this video has no shot so long."""
        path = self.paths[random.integers(len(self.paths))]
        gap = int(random.integers(1, MAX_GAP + 1))
        chosen = random.random()
        scan = self._scan(path)
        if scan is None:
            return None
        gap = min(gap, max((n - 1) // steps for _, n in scan.shots))
        starts = [first + place for first, n in scan.shots for place in range(n - gap * steps)]
        if gap == 0 or not starts:
            return None
        start = starts[int(chosen * len(starts))]
        numbers = [start + gap * k for k in range(steps + 1)]
        found = [self._frame(path, scan, number) for number in numbers]
        frames = [frame for frame in found if frame is not None]
        if len(frames) < len(found):
            return None
        return strip_of(frames, self.estimator)

    def _scan(self, path: Path) -> Shots | None:
        """The shots of a video; a bad file is named once and gives None from then on."""
        with self._locks[path]:
            if path not in self._scans:
                try:
                    self._scans[path] = scan_shots(path)
                except BrushflowError as error:
                    logger.warning("Skipping a video: %s", error)
                    self._scans[path] = None
            return self._scans[path]

    def _frame(self, path: Path, scan: Shots, number: int) -> np.ndarray | None:
        chunk = number // _CHUNK
        frames = self._frames.get((path, chunk), lambda: self._decode(scan, chunk * _CHUNK))
        place = number - chunk * _CHUNK
        return frames[place] if place < len(frames) else None

    def _decode(self, scan: Shots, first: int) -> list[np.ndarray]:
        size = scaled_size(scan.source.info.width, scan.source.info.height, self.least)
        reading = scan.source.read(size=size, first=first, table=scan.table)
        try:
            return [frame.pixels for frame in islice(reading, _CHUNK)]
        except BrushflowError as error:
            logger.warning("Skipping part of a video: %s", error)
            return []
        finally:
            reading.close()


def strip_of(frames: list[np.ndarray], estimator: FlowEstimator) -> Strip:
    """Frames (H, W, 3) in a row with backward flow and reliability between neighbours."""
    flows, maps = [], []
    for before, frame in pairwise(frames):
        flow, reverse = bidirectional(estimator, frame, before)
        flows.append(flow)
        maps.append(reliability(flow, reverse, frame))
    return Strip(frames, flows, maps)


def scaled_size(width: int, height: int, least: Size) -> tuple[int, int]:
    """(width, height) scaled to just cover ``least`` (height, width), both even."""
    box = least[1], least[0]
    return fit_size((width, height), box, step=2, enlarge=True, cover=True)


class _ByteCache:
    """The most recently used lists of arrays, up to a number of bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._items: OrderedDict[object, list[np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], list[np.ndarray]]) -> list[np.ndarray]:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        made = make()
        with self._lock:
            if key not in self._items:
                self._items[key] = made
                self._held += sum(array.nbytes for array in made)
            while self._held > self._limit and len(self._items) > 1:
                _, dropped = self._items.popitem(last=False)
                self._held -= sum(array.nbytes for array in dropped)
        return made
