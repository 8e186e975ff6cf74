"""Borders of stored pictures that a container says are not to be shown.

Matroska counts their pixels (PixelCropTop and so on, RFC 9559), .mp4 and .mov files hold size and
middle of a clean aperture (``clap``, ISO/IEC 14496-12). PyAV does not tell them, and programs of
ffmpeg before version 7.1 do not know them, so the files are read here.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

from av.container import InputContainer
from av.video.stream import VideoStream

from brushflow.video.boxes import VISUAL_ENTRY, boxes_in, child, find_moov, video_tracks

_SEGMENT, _TRACKS, _TRACK, _TYPE, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
_BORDERS = (0x54CC, 0x54BB, 0x54DD, 0x54AA)  # PixelCropLeft, Top, Right, Bottom
_VIDEO_TRACK = 1
_LARGEST_TRACKS = 1 << 24  # bytes; a description of tracks has some hundred


class Borders(NamedTuple):
    """Pixels on each side of a picture that are not shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def inside(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) that is left of a picture."""
        return width - self.left - self.right, height - self.top - self.bottom

    def upright(self, orientation: tuple[bool, bool, bool]) -> Borders:
        """The borders of the picture turned as ``stored.orientation_of`` says."""
        transposed, mirrored, inverted = orientation
        left, top, right, bottom = self
        if transposed:
            left, top, right, bottom = top, left, bottom, right
        if mirrored:
            left, right = right, left
        if inverted:
            top, bottom = bottom, top
        return Borders(left, top, right, bottom)


NO_BORDERS = Borders()


def read_borders(
    path: Path, container: InputContainer, stream: VideoStream, size: tuple[int, int]
) -> Borders:
    """What the file says of the borders of a track whose stored pictures have this ``size``.

    None are cut off where it says nothing, or what would leave nothing.
    """
    names = container.format.name.split(",")
    try:
        with path.open("rb") as file:
            if "matroska" in names:
                number = container.streams.video.index(stream)
                found = _matroska(file, number)
            elif "mp4" in names:
                found = _clean_aperture(file, stream.id)
            else:
                return NO_BORDERS
    except (OSError, struct.error, IndexError, ValueError):
        return NO_BORDERS  # a damaged file, which others complain about
    sane = min(found) >= 0 and min(found.inside(*size)) > 0
    return found if sane else NO_BORDERS


def _matroska(file: BinaryIO, number: int) -> Borders:
    """The borders of the video track with this ``number`` among those of its kind."""
    for kind, tracks in _elements(_tracks(file)):
        if kind != _TRACK:
            continue
        values = dict(_elements(tracks))
        if int.from_bytes(values.get(_TYPE, b""), "big") != _VIDEO_TRACK:
            continue
        if number == 0:
            video = dict(_elements(values.get(_VIDEO, b"")))
            return Borders(*(int.from_bytes(video.get(side, b""), "big") for side in _BORDERS))
        number -= 1
    return NO_BORDERS


def _tracks(file: BinaryIO) -> bytes:
    """The content of the element that describes the tracks, or nothing."""
    end = file.seek(0, os.SEEK_END)
    place = 0
    while place < end:
        file.seek(place)
        kind, length, size = _header(file.read(12))
        place += length
        if kind == _SEGMENT:
            continue  # what it holds comes next
        if kind == _TRACKS and size is not None and size <= _LARGEST_TRACKS:
            file.seek(place)
            return file.read(size)
        if size is None:
            return b""  # a recording that was never finished; tracks come before it
        place += size
    return b""


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(data):
        kind, length, size = _header(data[place : place + 12])
        place += length
        end = len(data) if size is None else place + size
        yield kind, data[place:end]
        place = end


def _header(data: bytes) -> tuple[int, int, int | None]:
    """(ID, length of the header, length of the content if it is known) of an EBML element."""
    first = 9 - data[0].bit_length()
    second = 9 - data[first].bit_length()
    if first > 4 or second > 8:
        raise ValueError("no element of a Matroska file")
    mask = (1 << 7 * second) - 1
    size = int.from_bytes(data[first : first + second], "big") & mask
    kind = int.from_bytes(data[:first], "big")
    return kind, first + second, None if size == mask else size


def _clean_aperture(file: BinaryIO, track_id: int) -> Borders:
    place = find_moov(file)
    if place is None:
        return NO_BORDERS
    file.seek(place.start)
    moov = file.read(place.end - place.start)
    for track, entry in video_tracks(moov):
        header = child(moov, track, b"tkhd")
        if header is None:
            continue
        number = header.content + (20 if moov[header.content] == 1 else 12)
        if struct.unpack_from(">I", moov, number)[0] != track_id:
            continue
        boxes = boxes_in(moov, entry.content + VISUAL_ENTRY, entry.end)
        aperture = next((box for box in boxes if box.kind == b"clap"), None)
        if aperture is None:
            break
        size = struct.unpack_from(">HH", moov, entry.content + 24)
        numbers = struct.unpack_from(">iIiIiIiI", moov, aperture.content)
        if 0 in numbers[1::2]:
            break
        width, height, *middle = (
            Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)
        )
        sides = []
        for whole, shown, off in zip(size, (width, height), middle, strict=True):
            # A pixel that is shown in part is shown.
            sides.append((int((whole - shown) / 2 + off), int((whole - shown) / 2 - off)))
        (left, right), (top, bottom) = sides
        return Borders(left, top, right, bottom)
    return NO_BORDERS
