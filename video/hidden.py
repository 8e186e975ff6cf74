"""Packets that hold no picture to be shown, only one that others refer to."""

from __future__ import annotations

from collections.abc import Iterator

# OBU types of AV1 (section 6.2.2 of its specification).
_SEQUENCE_HEADER = 1
_FRAME_HEADERS = (3, 6)


def shows_picture(codec: str, data: bytes) -> bool:
    """Whether a packet of ``codec`` (ffmpeg's name) holds a picture that is shown.

    VP8, VP9 and AV1 store pictures that are only referred to like any others, Theora its headers.
    What cannot be parsed, and packets of other codecs, count as shown.
    """
    if codec == "theora":  # joined recordings have headers in between
        return not data or not data[0] & 0x80
    if codec == "vp8":
        return not data or bool(data[0] & 0x10)
    if codec == "vp9":
        return any(_vp9_shows(frame[0]) for frame in _vp9_frames(data) if frame) or not data
    if codec == "av1":
        shown = list(_av1_shows(data))
        return any(shown) or not shown
    return True


def _vp9_frames(data: bytes) -> Iterator[bytes]:
    """The frames of a superframe, or the packet as it is (annex B of VP9's specification)."""
    marker = data[-1] if data else 0
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index = data[-2 - count * width :]
    if marker & 0xE0 != 0xC0 or len(index) != 2 + count * width or index[0] != marker:
        yield data
        return
    place = 0
    for number in range(count):
        start = 1 + number * width
        size = int.from_bytes(index[start : start + width], "little")
        yield data[place : place + size]
        place += size


def _vp9_shows(first: int) -> bool:
    """Read show_existing_frame, or show_frame, from the first byte of a frame."""
    bits = f"{first:08b}"
    if bits[:2] != "10":
        return True  # damaged
    rest = bits[5:] if bits[2:4] == "11" else bits[4:]
    return rest[0] == "1" or rest[2] == "1"


def _av1_shows(data: bytes) -> Iterator[bool]:
    """show_existing_frame, or show_frame, of every frame header in a temporal unit."""
    place, still = 0, False
    while place < len(data):
        kind, extended, sized = data[place] >> 3 & 15, data[place] >> 2 & 1, data[place] >> 1 & 1
        place += 1 + extended
        size, shift = (0, 0) if sized else (len(data) - place, 0)
        while sized and place < len(data):
            byte = data[place]
            size |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if not byte & 0x80:
                break
        first = data[place] if size > 0 and place < len(data) else None
        if first is not None and kind == _SEQUENCE_HEADER:
            still = bool(first & 0x08)  # reduced_still_picture_header
        if first is not None and kind in _FRAME_HEADERS:
            yield still or bool(first & 0x80) or bool(first & 0x10)
        place += size
