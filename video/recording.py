"""Writing pictures as they come, each with the moment it belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import TracebackType

import numpy as np

from brushflow.common.atomic_files import LOCK, MARK, alone_in, atomic_path, remove_own
from brushflow.common.errors import BrushflowError
from brushflow.video.assemble import assemble
from brushflow.video.encoders import EncodeSettings
from brushflow.video.write import SegmentWriter, verify_segment

TICKS = 90_000  # per second: the clock of broadcasts, which all players count in
SEGMENT_SECONDS = 10.0
_PIECES = r"\d{16}\.(mkv|json)"


class Recorder:
    """Writes a video with a variable frame rate, as a context manager.

    The pictures are encoded in pieces of ten seconds, in a folder beside the output, and joined
    when the block ends, however it ends: a recording cannot be made again. After ``kill -9``,
    ``finish_recording`` joins the pieces that were complete.

    Args:
        output: the file; see ``free_name``.
        width, height: of the pictures.
        settings: how they are encoded.
        frame_rate: what the encoder shall expect; the timestamps are the pictures' own.
    """

    def __init__(
        self, output: Path, width: int, height: int, settings: EncodeSettings, frame_rate: Fraction
    ) -> None:
        self.output = output
        self.frames = 0
        self._size = (width, height)
        self._settings = settings
        self._rate = frame_rate
        self._folder = _pieces_folder(output)
        self._stack = ExitStack()
        self._piece = ExitStack()
        self._writer: SegmentWriter | None = None
        self._began: float | None = None
        self._ticks: list[int] = []
        self._last_tick = -1

    def __enter__(self) -> Recorder:
        try:
            self._stack.enter_context(alone_in(self._folder, _PIECES))
        except OSError as error:
            raise BrushflowError(
                f"Nothing can be recorded to {self.output}: {error.strerror}."
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            try:
                self._complete()
            finally:
                # A piece that could not be completed (a full disk) takes no other with it.
                join_pieces(self.output, self._folder)

    def write(self, picture: np.ndarray, moment: float) -> None:
        """Add a picture, RGB uint8 (H, W, 3), of this ``moment``: seconds on any steady clock."""
        if self._began is None:
            self._began = moment
        tick = max(self._last_tick + 1, round((moment - self._began) * TICKS))
        if self._ticks and tick - self._ticks[0] >= SEGMENT_SECONDS * TICKS:
            self._complete()
        if self._writer is None:
            # Names sort in the order of time.
            path = self._folder / f"{tick:016d}.mkv"
            writer = SegmentWriter(path, *self._size, self._settings, self._rate)
            self._writer = self._piece.enter_context(writer)
        self._writer.write(picture)
        self._ticks.append(tick)
        self._last_tick = tick
        self.frames += 1

    def _complete(self) -> None:
        """Finish the piece at hand; its timestamps are there before it is."""
        if self._writer is None:
            return
        path, ticks = self._writer.path, self._ticks
        self._writer, self._ticks = None, []
        with atomic_path(path.with_suffix(".json")) as partial:
            partial.write_text(json.dumps(ticks), encoding="ascii")
        self._piece.close()


def free_name(output: Path) -> Path:
    """``output``, or the first of ``output-2``, ``output-3``, … that is not there yet."""
    names = (output.with_name(f"{output.stem}-{n}{output.suffix}") for n in count(2))
    return output if not output.exists() else next(name for name in names if not name.exists())


def finish_recording(output: Path) -> Path | None:
    """Join what a killed process left of a recording to ``output``; None if there is nothing.

    UsageError if the recording is still going on.
    """
    folder = _pieces_folder(output)
    if not folder.is_dir():
        return None
    with alone_in(folder, _PIECES):
        return join_pieces(free_name(output), folder)


def join_pieces(output: Path, folder: Path) -> Path | None:
    """Make ``output`` of the whole pieces in ``folder``, which is removed; None if there are none.

    Raises BrushflowError if the file cannot be written; the pieces are kept then.
    """
    pieces = list(_whole_pieces(folder))
    if pieces:
        ticks = [tick for _, piece in pieces for tick in piece]
        start = ticks[0]
        times = [tick - start for tick in ticks]
        assemble([path for path, _ in pieces], times, Fraction(1, TICKS), output, replace=False)
    remove_own(folder, f"{_PIECES}|{MARK}|{LOCK}")
    return output if pieces else None


def _whole_pieces(folder: Path) -> Iterator[tuple[Path, list[int]]]:
    for path in sorted(folder.glob("*.mkv")):
        with suppress(OSError, ValueError, BrushflowError):
            ticks = json.loads(path.with_suffix(".json").read_text(encoding="ascii"))
            if verify_segment(path) == len(ticks):
                yield path, ticks


def _pieces_folder(output: Path) -> Path:
    return output.with_name(f"{output.name}.recording")
