"""What ``paint - -o -`` does: frames from standard input, painted, to standard output."""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields, replace
from typing import BinaryIO

import click
import cv2
import numpy as np

from brushflow.cli.commands import stop_on_interrupt
from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.shots.cuts import detect_cuts, scan_size
from brushflow.video.streams import StreamReader, StreamWriter

# Options of how a picture is painted; all others are about files, or about whole videos.
_FIT = {
    *("style", "image_model", "strength", "stroke", "keep_colors", "flow", "flow_weights"),
    *("flow_size", "occlusion", "min_filter", "median_filter", "fill", "cuts", "independent"),
    *("long_term", "device", "precision"),
}
_SEEN = 6  # frames among which a cut stands out


def paint_piped(
    options: StylizeOptions,
    raw: tuple[int, int] | None,
    quiet: bool,
    others: Mapping[str, object],
) -> None:
    """Paint what comes in until it ends.

    ``raw``: (width, height) of bare frames, None for y4m. ``others``: values of further options by
    name, which must not be given.

    Raises:
        UsageError: options that a stream has no use for, or no frames of that kind.
        BrushflowError: the stream broke off, or nobody reads the paintings.
        KeyboardInterrupt: Ctrl-C.
    """
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in fields(options)
        if field.name not in _FIT and getattr(options, field.name) != field.default
    ]
    given += [name for name, value in others.items() if value]
    if options.cuts not in ("auto", "none"):
        given.append("--cuts with a file")
    if given:
        raise UsageError(f"{given[0]} is for files; painting from stream to stream has none.")
    if sys.stdin.isatty() or os.isatty(1):
        raise UsageError("- stands for streams of frames, and here a terminal is one of them.")
    with stop_on_interrupt() as stop, os.fdopen(os.dup(1), "wb") as target:
        painted = 0
        for count in paint_stream(sys.stdin.buffer, target, options, raw):
            painted = count
            if stop.is_set():
                raise KeyboardInterrupt
    if not quiet:
        click.echo(f"Painted {counted(painted, 'frame')}.", err=True)


def paint_stream(
    source: BinaryIO, target: BinaryIO, options: StylizeOptions, raw: tuple[int, int] | None
) -> Iterator[int]:
    """Paint from stream to stream; gives how many frames are done, after each, first 0."""
    yield 0
    reader = StreamReader(source, raw)
    painter = Painter(replace(options, spherical="off"))
    cuts: set[int] = set()
    frames = noting_cuts(reader, cuts) if options.cuts == "auto" else iter(reader)
    writer = StreamWriter(target, reader)
    with closing(painter.paint(frames, cuts)) as paintings:
        for count, stylized in enumerate(paintings, 1):
            writer.write(painter.finish(stylized))
            yield count


def noting_cuts(frames: Iterable[np.ndarray], cuts: set[int]) -> Iterator[np.ndarray]:
    """The same frames; the index of one that begins a shot is in ``cuts`` when it is handed out.

    What comes after it is not known yet, so only hard cuts are found.
    """
    seen: deque[np.ndarray] = deque(maxlen=_SEEN)
    for index, frame in enumerate(frames):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        size = scan_size(frame.shape[1], frame.shape[0])
        seen.append(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
        if len(seen) - 1 in detect_cuts(seen):
            cuts.add(index)
            seen = deque([seen[-1]], maxlen=_SEEN)
        yield frame
