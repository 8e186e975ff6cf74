"""Moving pictures in a picture's file: animated WebP and APNG, which ffmpeg does not all read."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Generator, Iterator, Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path

import numpy as np
from PIL import Image

from brushflow.common.errors import BrushflowError
from brushflow.video.alpha import ON_BLACK, on_black, with_alpha
from brushflow.video.icc import to_srgb
from brushflow.video.probe import VideoInfo, check_readable
from brushflow.video.read import TimedFrame
from brushflow.video.sequence import SRGB, fitted

# Browsers show what claims to last less for a tenth of a second.
_SHORTEST = Fraction(11, 1000)
_UNBELIEVED = Fraction(1, 10)
_FINEST_CLOCK = 1_000_000
_LARGEST_DENOMINATOR = 65_535  # of an APNG's delays
# Kinds that are read here, by Pillow's names.
ANIMATIONS = ("PNG", "WEBP")
# What Pillow's readers raise for damaged files.
_DAMAGES = (OSError, ValueError, SyntaxError, EOFError, IndexError)


class Animation:
    """The pictures of one run through an animation, as a video whose clock is that of its delays.

    ``problem`` is set when a read from the start has ended early, as the file is damaged.
    """

    kind = "animation"
    filled: Collection[int] = ()

    def __init__(self, path: Path) -> None:
        check_readable(path)
        self.problem: str | None = None
        self._transparent = False
        delays: list[Fraction] = []
        size, kind, transparent = (0, 0), "", False
        for picture in self._pictures(path):
            size, kind = picture.size, picture.format or ""
            delays.append(_delay(picture))
            transparent |= picture.has_transparency_data
        clock = min(lcm(*(delay.denominator for delay in delays)), _FINEST_CLOCK)
        starts = [sum(delays[:count], Fraction(0)) for count in range(len(delays) + 1)]
        self.pts = [round(start * clock) for start in starts[:-1]]
        self.info = VideoInfo(
            path=path,
            width=size[0],
            height=size[1],
            time_base=Fraction(1, clock),
            color=SRGB,
            codec={"PNG": "apng"}.get(kind, kind.lower()),
            pix_fmt="rgb24",
            container=kind.lower(),
            frame_rate=len(delays) / starts[-1],
            duration=float(starts[-1]),
            frame_count=len(delays),
            has_alpha=transparent,
        )

    @property
    def notes(self) -> Sequence[str]:
        """A sentence about transparency, once it was seen."""
        if self._transparent:
            return [ON_BLACK]
        return []

    def read(
        self,
        *,
        size: tuple[int, int] | None = None,
        bit_depth: int = 8,
        gray: bool = False,
        first: int = 0,
        table: Sequence[int] | None = None,
        until: Fraction | None = None,
        alpha: bool = False,
    ) -> Generator[TimedFrame, None, None]:
        """Yield the frames from number ``first`` on, like FrameReader.read."""
        del table
        for index, picture in enumerate(self._pictures(self.info.path)):
            pts = self.pts[index]
            if until is not None and pts * self.info.time_base >= until:
                return
            if index < first:
                continue
            pixels = self._pixels(picture)
            if bit_depth > 8 and not gray:
                pixels = pixels.astype(np.uint16) * 257
            if alpha:
                own = self.info.width, self.info.height
                pixels = with_alpha(pixels[..., :3], pixels[..., 3], size or own)
            else:
                pixels = fitted(self._on_black(pixels), size, gray)
            yield TimedFrame(index, pts, pixels)

    def _pixels(self, picture: Image.Image) -> np.ndarray:
        """RGBA uint8 (H, W, 4)."""
        pixels = np.asarray(picture.convert("RGBA"))
        color = to_srgb(np.ascontiguousarray(pixels[..., :3]), picture.info.get("icc_profile", b""))
        return np.dstack([color, pixels[..., 3]])

    def _on_black(self, pixels: np.ndarray) -> np.ndarray:
        if pixels[..., 3].min() == np.iinfo(pixels.dtype).max:
            return np.ascontiguousarray(pixels[..., :3])
        self._transparent = True
        return on_black(pixels)

    def _pictures(self, path: Path) -> Iterator[Image.Image]:
        """Every picture as it is shown, put together from the changes that the file holds."""
        count = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about large ones
                opened = Image.open(path, formats=ANIMATIONS)
            with opened:
                # An APNG may begin with a picture for those who cannot show the others.
                first = bool(getattr(opened, "default_image", False))
                for place in range(first, getattr(opened, "n_frames", 1)):
                    opened.seek(place)
                    opened.load()
                    yield opened
                    count += 1
        except (*_DAMAGES, Image.DecompressionBombError) as error:
            if not count:
                raise BrushflowError(f"No frame of {path} can be decoded: {error}.") from error
            self.problem = str(error)


def _delay(picture: Image.Image) -> Fraction:
    milliseconds = Fraction(picture.info.get("duration", 0) or 0)
    delay = (milliseconds / 1000).limit_denominator(_LARGEST_DENOMINATOR)
    return delay if delay >= _SHORTEST else _UNBELIEVED
