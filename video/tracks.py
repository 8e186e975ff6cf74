"""Which of a file's video tracks is the film."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from brushflow.video.opening import open_input

# Packets of one track after which another that has shown a single picture is taken for a still.
_LOOKED_AT = 250


def main_video(container: InputContainer, path: Path) -> VideoStream | None:
    """Return the video track that players show: one that moves, the default one, the first one.

    In this order of importance; ``path`` is the file that ``container`` reads. Covers are none,
    whether the file calls them so or has them as a track with one picture. A track in a format
    that there is no decoder for is returned only if all are; None if there is no track.
    """
    tracks = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    tracks = [s for s in tracks if s.codec_context is not None] or tracks
    if len(tracks) < 2:
        return tracks[0] if tracks else None
    moving = _moving(path, tracks)
    default = Disposition.default
    return max(tracks, key=lambda s: (s.index in moving, bool(s.disposition & default), -s.index))


def _moving(path: Path, tracks: list[VideoStream]) -> set[int]:
    """Indices of those with more than one picture, as far as one look at the beginning tells."""
    counts = Counter({track.index: track.frames for track in tracks})  # 0 where a file is silent
    if all(counts.values()):
        return {index for index, count in counts.items() if count > 1}
    counts.clear()
    with suppress(av.FFmpegError, EOFError, ValueError), open_input(path) as container:
        for packet in container.demux([container.streams[track.index] for track in tracks]):
            counts[packet.stream.index] += bool(packet.size)
            if (
                min(counts[track.index] for track in tracks) > 1
                or max(counts.values()) > _LOOKED_AT
            ):
                break
    return {index for index, count in counts.items() if count > 1}
