"""Which of a source's tracks a container takes, tried on all their packets before they matter.

What a muxer refuses is told by no table: it depends on rates, times and versions. So the tracks go
through the very code that assembles a file, into a container of the kind that is kept nowhere.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.video.stream import VideoStream

from brushflow.common.errors import BrushflowError
from brushflow.video.carry import WHOLE, Fate, Fates, SourceTracks, Trim
from brushflow.video.containers import OutputKind, output_kind


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written, but not how much."""

    def __init__(self) -> None:
        self._place = self._length = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}
        self._place = origin[whence] + offset
        return self._place

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._place += len(data)
        self._length = max(self._length, self._place)
        return len(data)


def settle_tracks(
    source: Path,
    output: Path,
    trim: Trim = WHOLE,
    check_stop: Callable[[], None] = lambda: None,
) -> Fates:
    """Find what must become of the tracks of ``source`` so that they go into ``output``.

    A track that is not named goes as the container's table has it: copied where players find it
    so, else converted. ``check_stop`` is called at every packet and may raise. Raises
    BrushflowError where the container does not even take the source's tags.
    """
    kind = output_kind(output)

    def problem(fates: Fates) -> str | None:
        return _problem(source, kind, output.suffix, trim, fates, check_stop)

    if problem({}) is None:
        return {}
    with SourceTracks(source, kind, output, trim) as tracks:
        others = tracks.others
    none = dict.fromkeys(others, Fate.LEAVE_OUT)
    reason = problem(none)
    if reason is not None:
        raise BrushflowError(f"{output} cannot be written: {reason}.")
    fates: dict[int, Fate] = {}
    for index in others:
        for fate in Fate:
            if problem({**none, index: fate}) is None:
                fates[index] = fate
                break
    # Each goes alone; should they not go together, those in front have precedence.
    for index in reversed(others):
        if problem(fates) is None:
            break
        fates[index] = Fate.LEAVE_OUT
    return fates


def _problem(
    source: Path,
    kind: OutputKind,
    suffix: str,
    trim: Trim,
    fates: Fates,
    check_stop: Callable[[], None],
) -> str | None:
    """Why the tracks cannot be written like this, None if they can."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / f"trial{suffix}"
        try:
            with (
                SourceTracks(source, kind, place, trim, fates) as tracks,
                av.open(_Nowhere(), "w", format=kind.format) as target,
            ):
                video = target.add_stream(kind.encoder, rate=25)
                assert isinstance(video, VideoStream)
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
                tracks.add_to(target)
                target.start_encoding()
                for _, packet in tracks.packets():
                    check_stop()
                    target.mux(packet)
        except BrushflowError as error:
            return str(error).rstrip(".")
        except (av.FFmpegError, OSError, ValueError) as error:
            return str(getattr(error, "strerror", None) or error)
    return None
