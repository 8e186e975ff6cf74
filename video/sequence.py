"""A set of images as a video: a folder, a numbered pattern, a glob pattern or one picture."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Collection, Generator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.sizes import resized
from brushflow.video.alpha import with_alpha
from brushflow.video.color import ColorTags
from brushflow.video.images import IMAGE_SUFFIXES, read_image, stored_form
from brushflow.video.probe import VideoInfo
from brushflow.video.read import TimedFrame

logger = logging.getLogger(__name__)

# What a screen takes an untagged picture for, and what encoders of video expect.
SRGB = ColorTags("gbr", "bt709", "iec61966-2-1", "pc")
NUMBER = re.compile(r"%(0?)(\d*)d")


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key under which ``frame9`` comes before ``frame10``."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part.lower()) for part in parts]


def list_images(place: str) -> list[Path]:
    """Return the images that ``place`` stands for, in order.

    ``place`` is a folder, a printf pattern (``frame_%05d.png``: from the lowest number there is to
    the first gap), a glob pattern, or one picture. Raises UsageError if it stands for none.
    """
    path = Path(place)
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        images = sorted((p for p in found if not p.name.startswith(".")), key=natural_key)
    elif path.is_file():
        images = [path]
    elif NUMBER.search(path.name):
        images = _numbered(path)
    else:
        images = sorted((Path(name) for name in glob.glob(place)), key=natural_key)  # noqa: PTH207
        images = [p for p in images if p.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise UsageError(f"{place} stands for no pictures; their names must end in {known}.")
    return images


def _numbered(pattern: Path) -> list[Path]:
    numbers = images_by_number(pattern)
    images = []
    number = min(numbers, default=0)
    while number in numbers:
        images.append(numbers[number])
        number += 1
    if len(images) < len(numbers):
        logger.warning(
            "%s ends at the gap before number %d; %d later pictures are left out.",
            pattern,
            number,
            len(numbers) - len(images),
        )
    return images


def images_by_number(pattern: Path) -> dict[int, Path]:
    """The images of a printf pattern that are there."""
    match = NUMBER.search(pattern.name)
    assert match is not None
    before, after = pattern.name[: match.start()], pattern.name[match.end() :]
    width = int(match[2] or 0)
    shape = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    numbers = {}
    if pattern.parent.is_dir():
        for path in pattern.parent.iterdir():
            found = shape.fullmatch(path.name)
            if found and found[1] == (
                f"{int(found[1]):0{width}d}" if match[1] else f"{int(found[1])}"
            ):
                numbers[int(found[1])] = path
    return numbers


def numbered_path(pattern: Path, number: int) -> Path:
    """The image of a printf pattern that has this number."""
    return pattern.with_name(NUMBER.sub(lambda found: found[0] % number, pattern.name))


def is_image_place(place: str) -> bool:
    """Whether ``place`` names images rather than a video file."""
    path = Path(place)
    if path.is_dir():
        return True
    if path.exists():
        return path.suffix.lower() in IMAGE_SUFFIXES
    return bool(NUMBER.search(path.name)) or glob.has_magic(place)


class ImageSequence:
    """Images read like a video: frame k has pts k in a time base of one frame.

    ``problem`` is always None: an unreadable image is an error, since nothing can take its place.
    """

    problem: str | None = None
    filled: Collection[int] = ()
    notes: Sequence[str] = ()

    def __init__(self, place: str, frame_rate: Fraction) -> None:
        self.images = list_images(place)
        first = self.images[0]
        height, width = read_image(first).shape[:2]
        depth, transparent = stored_form(first)
        single = len(self.images) == 1 and Path(place).is_file()
        self.kind = "image" if single else "images"
        self.info = VideoInfo(
            path=Path(place),
            width=width,
            height=height,
            time_base=1 / frame_rate,
            color=SRGB,
            codec=first.suffix.lower().lstrip("."),
            pix_fmt="rgb24",
            container=self.kind,
            bit_depth=depth,
            has_alpha=transparent,
            frame_rate=frame_rate,
            duration=float(len(self.images) / frame_rate),
            frame_count=len(self.images),
        )

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
        """Yield the frames from number ``first`` on, like FrameReader.read.

        ``table`` is not needed to find an image. Raises BrushflowError for an image that cannot be
        read or has another size than the first.
        """
        del table
        for index in range(first, len(self.images)):
            if until is not None and index * self.info.time_base >= until:
                return
            path = self.images[index]
            pixels = read_image(path, 8 if gray else bit_depth, alpha)
            height, width = pixels.shape[:2]
            if (width, height) != (self.info.width, self.info.height):
                raise BrushflowError(
                    f"{path} is {width}×{height} but the first picture is {self.info.width}×"
                    f"{self.info.height}; bring all pictures to the same size, or have each "
                    f"painted by itself: {path.parent / '*'} -o FOLDER."
                )
            if alpha:
                shown = pixels[..., 3] if pixels.shape[2] == 4 else None
                pixels = with_alpha(pixels[..., :3], shown, size or (width, height))
            else:
                pixels = fitted(pixels, size, gray)
            yield TimedFrame(index, index, pixels)


def fitted(pixels: np.ndarray, size: tuple[int, int] | None, gray: bool) -> np.ndarray:
    """RGB (H, W, 3) as it was asked for: gray, and scaled to (width, height)."""
    if gray:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return pixels if size is None else resized(pixels, size)
