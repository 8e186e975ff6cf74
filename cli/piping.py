"""What ``paint - -o -`` does: frames from standard input, painted, to standard output."""

import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

import click
import cv2
import numpy as np

from brushflow.cli.commands import stop_on_interrupt
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.queues import PATIENCE
from brushflow.common.wording import counted
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.shots.cuts import detect_cuts, scan_size
from brushflow.video.streams import Readable, StreamReader, StreamWriter

_SEEN = 6  # frames among which a cut stands out
_BLOCK = 1 << 16  # bytes that are read at once


class Listening:
    """A stream that ends as soon as ``stop`` is set, also while nothing comes.

    Another thread waits for what comes, as no system but some can be asked whether something
    has; it ends with the process.
    """

    def __init__(self, descriptor: int, stop: threading.Event) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self._rest = b""
        self._blocks: queue.Queue[bytes | OSError] = queue.Queue(16)
        threading.Thread(target=self._wait, name="listening", daemon=True).start()

    def read(self, count: int) -> bytes:
        """So many bytes; fewer at the end, and none after it. OSError as of reading."""
        parts = [self._rest]
        missing = count - len(self._rest)
        while missing > 0 and (block := self._next()):
            parts.append(block)
            missing -= len(block)
        data = b"".join(parts)
        self._rest = data[count:]
        return data[:count]

    def _next(self) -> bytes:
        while not self._stop.is_set():
            try:
                block = self._blocks.get(timeout=PATIENCE)
            except queue.Empty:
                continue
            if not isinstance(block, bytes):
                raise block
            if not block:
                self._blocks.put(block)  # the end stays the end
            return block
        return b""

    def _wait(self) -> None:
        try:
            while block := os.read(self._descriptor, _BLOCK):
                self._blocks.put(block)
            self._blocks.put(b"")
        except OSError as error:
            self._blocks.put(error)


def paint_piped(options: StylizeOptions, raw: tuple[int, int] | None, quiet: bool) -> None:
    """Paint what comes in until it ends. ``raw``: (width, height) of bare frames, None for y4m.

    Raises:
        UsageError: cuts from a file, or no frames of that kind.
        BrushflowError: the stream broke off, or nobody reads the paintings.
        KeyboardInterrupt: Ctrl-C.
    """
    if options.cuts not in ("auto", "none"):
        raise UsageError("--cuts with a file is for files; of a stream, it is auto or none.")
    if sys.stdin.isatty() or os.isatty(1):
        raise UsageError("- stands for streams of frames, and here a terminal is one of them.")
    with stop_on_interrupt() as stop, os.fdopen(os.dup(1), "wb") as target:
        painted = 0
        try:
            for count in paint_stream(Listening(sys.stdin.fileno(), stop), target, options, raw):
                painted = count
                if stop.is_set():
                    break
        except BrushflowError:
            if not stop.is_set():  # or it is that the stream ends where it was left
                raise
        if stop.is_set():
            raise KeyboardInterrupt
    if not quiet:
        click.echo(f"Painted {counted(painted, 'frame')}.", err=True)


def paint_stream(
    source: Readable, target: BinaryIO, options: StylizeOptions, raw: tuple[int, int] | None
) -> Iterator[int]:
    """Paint from stream to stream; gives how many frames are done, after each, first 0."""
    yield 0
    reader = StreamReader(source, raw)
    painter = Painter(replace(options, spherical="off"))
    painter.prepare()
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
