"""Ogg files that were joined: whether libraries read all of their recordings."""

from __future__ import annotations

import struct
from pathlib import Path

from brushflow.common.errors import BrushflowError
from brushflow.video.probe import VideoInfo

# How a page begins (RFC 3533): mark, version, flags, position, the number of its track, and more.
_HEADER = struct.Struct("<4sBBqIIIB")
_MARK = b"OggS"
_BEGINS_TRACK = 2
_LONGEST_PAGE = _HEADER.size + 255 + 255 * 255


def recordings_left_out(info: VideoInfo) -> list[str]:
    """A sentence, if a file goes on with a recording that libraries take for nothing known.

    Joined Ogg files are one behind the other. Libraries go on with tracks of other numbers only
    where there is a single one.
    """
    if info.container != "ogg":
        return []
    tracks, last = _track_numbers(info.path)
    if len(tracks) < 2 or last is None or last in tracks:
        return []
    return [
        "The file goes on with other recordings, whose tracks have numbers of their own, so only "
        "the first is read; ffmpeg's concat demuxer joins their parts to one."
    ]


def _track_numbers(path: Path) -> tuple[set[int], int | None]:
    """Numbers of the tracks that begin where a file does, and that of its last whole page."""
    tracks = set()
    try:
        with path.open("rb") as file:
            while len(header := file.read(_HEADER.size)) == _HEADER.size:
                mark, _, flags, _, number, _, _, segments = _HEADER.unpack(header)
                if mark != _MARK or not flags & _BEGINS_TRACK:
                    break
                tracks.add(number)
                file.seek(sum(file.read(segments)), 1)
            file.seek(max(0, path.stat().st_size - 2 * _LONGEST_PAGE))
            end = file.read()
    except OSError as error:
        raise BrushflowError(f"{path} cannot be read: {error.strerror}.") from error
    place = end.rfind(_MARK, 0, max(0, len(end) - _HEADER.size + len(_MARK)))
    return tracks, None if place < 0 else _HEADER.unpack_from(end, place)[4]
