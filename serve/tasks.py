"""What is done with a visitor's file; see ``Apart`` for where. Pictures go back as they are."""

import functools
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from skimage import data as samples

from brushflow.common.errors import BrushflowError
from brushflow.common.memory import available_memory
from brushflow.flow.opencv import one_opencv_thread
from brushflow.live.growing import Growing
from brushflow.live.size import within
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.pipeline.many_runs import stylize_in_styles
from brushflow.pipeline.masks import check_mask
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.preview import stylize_image
from brushflow.training import Progress
from brushflow.training.learning import learn_style, learned_place
from brushflow.video import Source, open_source
from brushflow.video.paintings import read_painting

THUMBNAIL = 400  # pixels of the longest side
PREVIEW = 1280  # the same of pictures that are shown while a video is painted
# Bytes for each pixel of a picture while it is read: decoded, turned to RGB, and once more.
_PER_PIXEL = 12
# What photographs come as, by Pillow's name; files are known by their contents.
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "BMP": ".bmp", "TIFF": ".tif"}
_SUFFIXES |= {"WEBP": ".webp", "PPM": ".ppm"}
# Grey levels that a frame that shows something varies by, and how many frames one is sought in.
_SHOWS, _MOST_FRAMES = 20.0, 1500

Tell = Callable[..., Any]


@dataclass(frozen=True)
class Look:
    """A file that can be painted: the ``source``, which a picture gets a suffix for, and pixels.

    ``transparent``: whether parts of it may be.
    """

    source: Path
    width: int
    height: int
    transparent: bool


def look(source: Path, *, tell: Tell) -> Look:
    """See what was handed in; BrushflowError for what cannot be painted."""
    del tell
    source = _with_suffix(source)
    info = open_source(source).info
    return Look(source, info.width, info.height, info.has_alpha)


def look_at_mask(mask: Path, source: Path, *, tell: Tell) -> Path:
    """See a mask that was handed in for a source, and where it lies then.

    BrushflowError for what is none of it.
    """
    del tell
    mask = _with_suffix(mask)
    check_mask(StylizeOptions(mask=str(mask)), open_source(source).info)
    return mask


def _with_suffix(file: Path) -> Path:
    """The file, renamed if it is a still picture."""
    suffix = _picture_suffix(file)
    return file if suffix is None else file.rename(file.with_suffix(suffix))


def _picture_suffix(source: Path) -> str | None:
    """The suffix of a still picture, None for what is none; its size is looked at first."""
    try:
        with Image.open(source, formats=list({*_SUFFIXES} - {"MPO"})) as picture:
            kind, (width, height) = picture.format, picture.size
            moving = getattr(picture, "is_animated", False) and kind != "MPO"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if moving:
        return None
    if _PER_PIXEL * width * height > available_memory() // 2:
        raise BrushflowError(
            f"{source} is {width}×{height} pixels, for which the server has not enough memory; "
            f"hand in a smaller one."
        )
    return _SUFFIXES[kind or ""]


def look_at_painting(painting: Path, *, tell: Tell) -> np.ndarray:
    """A painting that was handed in, small; BrushflowError for what cannot be learned."""
    del tell
    return within(read_painting(painting, PREVIEW), THUMBNAIL)


def learn(
    painting: Path, name: str, source: Path | None, loss_weights: str, device: str, *, tell: Tell
) -> str:
    """Learn a painting from ``source``, which may be none; the name of the style it becomes.

    Told: ``progress`` with steps done and in all and seconds left, and ``watch`` with pictures.
    """
    growing = Growing(samples.chelsea() if source is None else _moment(source, 0))
    stop = threading.Event()

    def pass_on(progress: Progress) -> None:
        picture = growing(progress)
        stopping = picture is not None and tell("watch", within(picture, PREVIEW))
        told = progress.iteration, progress.iterations, growing.seconds_left
        if tell("progress", *told) or stopping:
            stop.set()

    chosen: dict[str, Any] = {"loss_weights": loss_weights, "name": name}
    learn_style(painting, source, device=device, progress=pass_on, stop=stop, **chosen)
    return learned_place((painting,), **chosen).stem


def thumbnail(source: Path, options: StylizeOptions, digest: str, *, tell: Tell) -> np.ndarray:
    """A frame of the source, small and painted: RGB uint8 (H, W, 3); ``digest`` of the model."""
    del tell
    painter = _painter(options, digest)
    with closing(painter.paint([_moment(source, source.stat().st_mtime_ns)])) as painted:
        return painter.finish(next(painted))


@functools.lru_cache(maxsize=16)
def _painter(options: StylizeOptions, digest: str) -> Painter:
    """``digest`` tells models apart that were learned one after the other under one name."""
    del digest
    return Painter(options)


@functools.lru_cache(maxsize=8)
def _moment(source: Path, changed: int) -> np.ndarray:
    """The first frame that shows something, else the one that shows most, small.

    Videos begin black, or with a card that says nothing. ``changed`` tells files of one name apart.
    """
    del changed
    opened = open_source(source)
    best, most = None, -1.0
    with closing(opened.read(size=_small(opened))) as frames:
        for frame, _ in zip(frames, range(_MOST_FRAMES), strict=False):
            shown = float(cv2.meanStdDev(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY))[1][0, 0])
            if shown > most:
                best, most = frame.pixels, shown
            if shown >= _SHOWS:
                break
    if best is None:
        raise BrushflowError("No frame of this video can be decoded.")
    return within(best, THUMBNAIL)


def _small(source: Source) -> tuple[int, int]:
    options = replace(StylizeOptions(), max_size=THUMBNAIL)
    return options.output_size(source.info.width, source.info.height)


def paint(
    source: Path, output: Path, options: StylizeOptions, *, tell: Tell
) -> tuple[list[str], str | None]:
    """Paint a video or a picture; notes about it, and what is wrong with the source, if anything.

    Told: ``progress`` with stage, frames done and in all, and ``watch`` with pictures.
    """
    opened = open_source(source)
    if opened.kind == "image":
        with one_opencv_thread():
            stylize_image(opened, output, options)
        return [*opened.notes], None
    pass_on, stop = _passing_on(tell)
    report = stylize_video(
        opened,
        output,
        options,
        functools.partial(pass_on, "progress"),
        stop,
        watch=lambda picture: pass_on("watch", within(picture, PREVIEW)),
    )
    return report.notes, report.problem


def paint_in_all(
    source: Path, outputs: Sequence[tuple[str, Path]], options: StylizeOptions, *, tell: Tell
) -> tuple[list[str], str | None]:
    """The same in each of several styles, pairs of a model and the place of the painting."""
    opened = open_source(source)
    if opened.kind == "image":
        for number, (style, output) in enumerate(outputs):
            if tell("progress", "stylize", number, len(outputs)):
                raise KeyboardInterrupt
            with one_opencv_thread():
                stylize_image(opened, output, replace(options, style=style))
        return [*opened.notes], None
    pass_on, stop = _passing_on(tell)
    reports = stylize_in_styles(
        opened,
        outputs,
        options,
        functools.partial(pass_on, "progress"),
        stop,
        lambda picture: pass_on("watch", within(picture, PREVIEW)),
    )
    return reports[0].notes, reports[0].problem


def _passing_on(tell: Tell) -> tuple[Callable[..., None], threading.Event]:
    """What tells, from any thread, and an event that is set when it is answered to stop."""
    stop = threading.Event()
    telling = threading.Lock()

    def pass_on(*what: Any) -> None:
        with telling:  # pictures are told by another thread
            if tell(*what):
                stop.set()

    return pass_on, stop
