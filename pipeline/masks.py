"""Where a frame is painted: a picture, a video or images in step with the source, or its own alpha.

A mask travels as the fourth channel of the frame that it is of, so that no two can be mixed up.
What a network paints is always the whole frame, as strokes at a mask's edge depend on what lies
beyond; the mask decides what of it is shown. Where it is black, the source's own pixels are.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from typing import Any

import numpy as np

from brushflow.common.errors import UsageError
from brushflow.common.sizes import resized
from brushflow.common.wording import counted
from brushflow.pipeline.options import ALPHA, StylizeOptions
from brushflow.pipeline.segments import frames_between
from brushflow.shots.scan import Scan
from brushflow.video import Source, VideoInfo, open_source
from brushflow.video.clock import usual_step

# Of 255: what compression makes of black, and leaves of white.
_BLACK, _WHITE = 4, 251
_OTHER_SHAPE = 0.02  # share by which the ratios of width to height may differ
_ROUNDED = Fraction(1, 1000)  # seconds that containers round times to


def check_mask(options: StylizeOptions, info: VideoInfo) -> None:
    """UsageError for a mask that is not of this source, as far as it shows without a scan."""
    if options.mask is None:
        if options.mask_invert or options.style_outside is not None:
            raise UsageError("Nothing is outside of a mask where there is none; name one.", "mask")
        return
    if options.mask == ALPHA:
        if not info.has_alpha:
            raise UsageError(f"{info.path} has no transparent parts; name a mask of its own.")
        if options.mask_invert or options.style_outside is not None:
            raise UsageError("What is transparent shows no painting; name a mask of its own.")
        return
    mask = _opened(options, info).info
    shapes = [(i.width / i.height, _displayed(i)) for i in (info, mask)]
    if all(max(pair) / min(pair) > 1 + _OTHER_SHAPE for pair in zip(*shapes, strict=True)):
        raise UsageError(
            f"The mask {options.mask} is {mask.width}×{mask.height}, another shape than the "
            f"{info.width}×{info.height} of {info.path}; make one of the same frames."
        )


def mask_identity(options: StylizeOptions, info: VideoInfo) -> dict[str, Any] | None:
    """What tells this mask from any other, as JSON values; None where there is none in a file."""
    if options.mask in (None, ALPHA):
        return None
    return _opened(options, info).identity()


def _opened(options: StylizeOptions, info: VideoInfo) -> Source:
    assert options.mask is not None
    return open_source(options.mask, info.frame_rate or Fraction(25))


def _displayed(info: VideoInfo) -> float:
    return float(info.sample_aspect_ratio * info.width / info.height)


class MaskedSource:
    """Reads frames with their mask as fourth channel: (H, W, 4), of the frame's type.

    With ``ALPHA`` that is the source's own, and colours are as they are behind it. Without a mask
    frames are (H, W, 3), as they are read anyway.

    UsageError for a mask that ends before the source, or whose pictures are not its frames.
    """

    def __init__(self, source: Source, scan: Scan, options: StylizeOptions) -> None:
        self.source = source
        self.scan = scan
        self.alpha = options.mask == ALPHA
        self.inverted = options.mask_invert
        self._masks: Source | None = None
        if options.mask is None or self.alpha:
            return
        info = source.info
        self._masks = _opened(options, info)
        with closing(self._masks.read(size=(16, 16), gray=True)) as frames:
            self._table = [frame.pts for frame in frames]
        whole = options.end is None
        tick = self._masks.info.time_base
        self._starts = [(pts - self._table[0]) * tick for pts in self._table]
        self._step = usual_step(self._starts) or Fraction(1, 25)
        self._seconds = scan.seconds(info.time_base)
        count, frames_there = len(self._table), len(scan.pts)
        # Exports of the same frames say other rates than their source now and then.
        self._one_each = count == (frames_there if whole else info.frame_count)
        if self._masks.kind == "images":
            self._one_each = True
            if count < frames_there or (whole and count > frames_there):
                raise UsageError(
                    f"The mask {options.mask} has {counted(count, 'picture')}, and {info.path} has "
                    f"{counted(frames_there, 'frame')}; there must be one for each."
                )
        self._number(frames_between(scan, options, info)[1])  # before any frame is painted

    def read(
        self, first: int, size: tuple[int, int], bit_depth: int
    ) -> Generator[np.ndarray, None, None]:
        """Frames from number ``first`` on, at this (width, height)."""
        table = self.scan.pts
        reading = self.source.read(
            first=first, table=table, size=size, bit_depth=bit_depth, alpha=self.alpha
        )
        if self._masks is None:
            with closing(reading) as frames:
                for frame in frames:
                    yield frame.pixels
            return
        with closing(reading) as frames, closing(self._read_masks(first, size)) as masks:
            for frame, mask in zip(frames, masks, strict=False):
                full = mask if frame.pixels.dtype == np.uint8 else mask.astype(np.uint16) * 257
                yield np.dstack([frame.pixels, full])

    def _read_masks(self, first: int, size: tuple[int, int]) -> Generator[np.ndarray, None, None]:
        """Masks of the frames from ``first`` on, uint8 (H, W)."""
        assert self._masks is not None
        numbers = self._numbers(first)
        number = next(numbers)
        masks = self._masks.read(gray=True, first=number, table=self._table)
        with closing(masks):
            for mask in masks:
                if mask.index < number:
                    continue
                levels = np.float32(mask.pixels) - _BLACK
                levels = np.clip(levels * np.float32(255 / (_WHITE - _BLACK)), 0, 255)
                levels = 255 - levels if self.inverted else levels
                ready = resized(np.rint(levels).astype(np.uint8), size)
                while mask.index == number:
                    yield ready
                    following = next(numbers, None)
                    if following is None:
                        return
                    number = following

    def _numbers(self, first: int) -> Iterator[int]:
        """Which mask belongs to each frame from ``first`` on."""
        return map(self._number, range(first, len(self.scan.pts)))

    def _number(self, index: int) -> int:
        """Which mask belongs to a frame; UsageError where it has ended."""
        assert self._masks is not None
        if self._one_each:
            return index
        moment = self._seconds[index] + _ROUNDED
        if self._masks.kind != "image" and moment > self._starts[-1] + 2 * self._step:
            raise UsageError(
                f"The mask {self._masks.info.path} ends after "
                f"{float(self._starts[-1] + self._step):.2f} s, and {self.source.info.path} goes "
                f"on; make it as long."
            )
        return bisect_right(self._starts, moment) - 1


def parted(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """A frame (H, W, 3) or (H, W, 4) as RGB and its mask (H, W), None if there is none."""
    if frame.shape[2] == 3:
        return frame, None
    return np.ascontiguousarray(frame[..., :3]), np.ascontiguousarray(frame[..., 3])


def mixed(inside: np.ndarray, outside: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``inside`` where the mask is full, ``outside`` exactly where it is 0, and between them both.

    Pictures are (H, W, 3) and the mask (H, W), all of one type, uint8 or uint16.
    """
    share = mask.astype(np.float32)[..., None] / np.iinfo(mask.dtype).max
    away = inside.astype(np.float32) - outside
    return np.rint(outside + share * away).astype(inside.dtype)


def shown(
    inside: np.ndarray, outside: np.ndarray, mask: np.ndarray | None, alpha: bool
) -> np.ndarray:
    """What is seen of a painting: RGB, or RGBA where the mask is its own ``alpha``."""
    if mask is None:
        return inside
    return np.dstack([inside, mask]) if alpha else mixed(inside, outside, mask)
