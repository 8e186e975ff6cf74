"""Single pictures out: one image stylized, or a contact sheet of a video's moments."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from brushflow.common.errors import UsageError
from brushflow.common.memory import out_of_memory
from brushflow.models import available
from brushflow.pipeline.finishing import as_output
from brushflow.pipeline.layers import Layers, painter_for
from brushflow.pipeline.masks import MaskedSource, check_mask
from brushflow.pipeline.options import ALL, StylizeOptions
from brushflow.pipeline.outputs import mark_of, settings_of
from brushflow.pipeline.painter import Painter
from brushflow.pipeline.resources import too_large, warn_of_shortage
from brushflow.pipeline.segments import frames_between
from brushflow.pipeline.stylizer import Stylized
from brushflow.pipeline.timeline import moments_of
from brushflow.shots.bars import bars_of
from brushflow.shots.looks import contents, looks_of
from brushflow.shots.scan import Scan, scan_source
from brushflow.video import Source, write_image

# Frames painted before each moment, so that it shows what the recurrence does.
RUN_IN = 3
# Where else, in shares of the way to the next moment's, a frame is sought if one shows nothing.
_AROUND = (0, -0.25, 0.25, -0.5, 0.5, -0.75, 0.75)
_SHOWS = 0.75  # of full contents and light; enough
SHEET_GAP = 8
LARGEST_SHEET_SIDE = 16000


def stylize_image(source: Source, output: Path, options: StylizeOptions) -> None:
    """Paint the only frame of an image source and write it as a picture."""
    there = output.exists()  # what lies there at the beginning is replaced, and nothing else
    options = options.for_source(source.info)
    check_mask(options, source.info)
    if options.style == ALL:
        raise UsageError("A picture in all styles is a sheet of one moment.", "moments")
    painter = painter_for(options)
    mark = mark_of(settings_of(source, options, painter.digests))
    size = options.output_size(source.info.width, source.info.height)
    alone = Scan([0], [], None, [])
    frame = next(MaskedSource(source, alone, options).read(0, size, options.bit_depth))
    bars = options.bars(source.info)
    if bars is None:
        looks = looks_of(replace(alone, bars=[(0, bars_of(frame))]), size, size)
    else:
        looks = looks_of(replace(alone, bars=[(0, bars)]), _size(source), size)
    if painter.on_cpu:
        warn_of_shortage(painter.pixels(size), options)
    try:
        with closing(painter.paint(iter([frame]), looks=looks)) as painted:
            stylized = next(painted)
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise too_large(size, options, begun=False) from error
    picture = as_output(stylized, painter.finish(stylized), options.compare, alpha=True)
    write_image(output, picture, replace=there, made_by=mark)


def preview(
    source: Source,
    output: Path,
    options: StylizeOptions,
    moments: int,
    check_stop: Callable[[], None] = lambda: None,
) -> int:
    """Write a contact sheet of moments between ``start`` and ``end``, each source above painting,
    or above those in all styles.

    Returns their number, fewer than asked for if the video is that short. ``check_stop`` is called
    at every frame that is scanned and every moment, and may raise.
    """
    there = output.exists()
    info = source.info
    options = options.for_source(info)
    check_mask(options, info)
    painter = painter_for(options)
    mark = mark_of(settings_of(source, options, painter.digests), moments)
    size = options.output_size(info.width, info.height)
    painter.prepare()
    scan = scan_source(
        source, options.cuts, _show_nothing, check_stop, options.end, options.bars(info)
    )
    inside = first, last = frames_between(scan, options, info)
    step = -1 if options.backward else 1
    count = last + 1 - first
    places = sorted({first + round((i + 0.5) * count / moments - 0.5) for i in range(moments)})
    reach = count // moments // 2
    rows = 1 + (len(available()) if options.style == ALL else 1)
    if max(len(places) * (size[0] + SHEET_GAP), rows * size[1]) > LARGEST_SHEET_SIDE:
        raise UsageError(
            f"A sheet of {len(places)} moments {size[0]} pixels wide is too large.", about="sheet"
        )
    columns = []
    masked = MaskedSource(source, scan, options)
    paint = painter.paint
    if isinstance(painter, Layers):
        paint = partial(painter.paint, moments=moments_of(options, scan, info))
    for place in places:
        shows = _showing(source, scan, place, reach, inside, size)
        columns.append(_moment(masked, painter, paint, shows, inside, step, size))
        check_stop()
    write_image(output, _sheet(columns), replace=there, made_by=mark)
    return len(places)


def _show_nothing(stage: str, done: int, total: int | None) -> None:
    pass


def _size(source: Source) -> tuple[int, int]:
    return source.info.width, source.info.height


def _showing(
    source: Source,
    scan: Scan,
    place: int,
    reach: int,
    inside: tuple[int, int],
    size: tuple[int, int],
) -> int:
    """A frame near ``place`` that shows something at full light, else the one that shows most."""
    looks = looks_of(scan, _size(source), size)
    best, most = place, -1.0
    for share in _AROUND:
        near = int(np.clip(place + round(share * reach), *inside))
        with closing(source.read(first=near, table=scan.pts, size=size)) as read:
            frame = next(read).pixels
        shown = contents(looks(near).picture(frame)) * looks(near).gain
        if shown > most:
            best, most = near, shown
        if most >= _SHOWS:
            break
    return best


def _moment(
    source: MaskedSource,
    painter: Painter | Layers,
    paint: Callable[..., Generator[Stylized, None, None]],
    place: int,
    inside: tuple[int, int],
    step: int,
    size: tuple[int, int],
) -> np.ndarray:
    """Source above painting of frame ``place``, both RGB uint8: (2·height, width, 3).

    The frames before it, going by ``step``, are painted too, as far as they are ``inside``.
    """
    first = int(np.clip(place - step * RUN_IN, *inside))
    scan = source.scan
    with closing(source.read(min(first, place), size, 8)) as read:
        frames = list(islice(read, abs(place - first) + 1))[::step]
    looks = looks_of(scan, _size(source.source), size)
    *_, stylized = paint(frames, scan.without_prior(step), first, step, looks=looks)
    if isinstance(painter, Layers) and painter.options.style == ALL:
        pictures = [painter.finish_one(stylized, n) for n in range(len(painter.painters))]
    else:
        pictures = [painter.finish(stylized)]
    frame = stylized.frame
    if pictures[0].shape[2] == 4 and stylized.mask is not None:
        frame = np.dstack([frame, stylized.mask])
    return np.vstack([frame, *pictures])


def _sheet(columns: Sequence[np.ndarray]) -> np.ndarray:
    white = (255, 255, 255, 255)
    framed = [
        cv2.copyMakeBorder(column, 0, 0, 0, SHEET_GAP, cv2.BORDER_CONSTANT, value=white)
        for column in columns
    ]
    return np.hstack(framed)[:, :-SHEET_GAP]
