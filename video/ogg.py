"""Ogg files that were joined, as libraries can read them: with the same numbers in every part.

Joined Ogg files are one behind the other, each with tracks that have numbers of their own.
Libraries go on with other numbers only where there is a single track. So where numbers change, the
pages are given to them with those of the first recording. Where that has no sound and a later one
has, the pages that announce it are moved to the first, which stays silent.
"""

from __future__ import annotations

import functools
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from brushflow.common.errors import BrushflowError

# How a page begins (RFC 3533): mark, flags, position, the number of its track, that of the
# page, a checksum, and how many lengths follow.
_HEADER = struct.Struct("<5sBqIIIB")
_MARK = b"OggS\0"  # with the only version there is
_BEGINS_TRACK = 2
_NOWHERE = -1  # the position of a page on which no packet ends
_NUMBER, _CHECKSUM = 14, 22  # where they stand
_LONGEST_PAGE = _HEADER.size + 255 + 255 * 255
_OPUS, _VORBIS = b"OpusHead", b"\x01vorbis"
_SOUND = (_OPUS, _VORBIS, b"\x7fFLAC", b"Speex   ")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Numbers:
    """Which number of the first recording each track of the one at hand gets; None: there is none.

    ``changed``: whether any track has got another one; ``left_out``: whether any has got none.
    ``places``: the bytes of what is given on at which recordings begin. ``announced``: the first
    sound of all, if the first recording has none, and the pages that come before its data.
    """

    heads: dict[int, bytes] = field(default_factory=dict)
    now: dict[int, int | None] = field(default_factory=dict)
    beginning: bool = False
    places: list[int] = field(default_factory=list)
    given: int = 0
    announced: _Announced | None = None
    changed: bool = False
    left_out: bool = False

    def of(self, number: int) -> int | None:
        """The number for a page of a recording that has begun."""
        self.beginning = False
        return self.now.get(number, number)

    def begin(self, number: int, head: bytes) -> tuple[int | None, bytes]:
        """The number for a track's first page, and what it is to hold instead of ``head``."""
        if not self.beginning:
            self.beginning, self.now = True, {}
            self.places.append(self.given)
        if len(self.places) == 1:
            self.heads[number] = head
            self.now[number] = number
            return number, head
        kind, taken = _kind(head), self.now.values()
        free = (n for n, own in self.heads.items() if _kind(own) == kind and n not in taken)
        self.now[number] = found = next(free, None)
        if found is None and head.startswith(_SOUND):
            self.now[number] = found = self._announce(head)
        self.left_out |= found is None
        # Packets of Opus say themselves how many channels they have, and libraries want one number.
        new = self.heads[found] if found is not None and head.startswith(_OPUS) else head
        self.changed |= found != number or new != head
        return found, new

    def tell(self, announced: _Announced) -> None:
        """The first recording has this track, too."""
        self.heads[announced.number] = announced.pages[0][_HEADER.size + 1 :]
        self.given += sum(map(len, announced.pages))
        self.changed = True

    def _announce(self, head: bytes) -> int | None:
        """A number for sound if there was none before."""
        if any(known.startswith(_SOUND) for known in self.heads.values()):
            return None
        self.announced = _Announced(max(self.heads) + 1 & 0xFFFFFFFF)
        self.heads[self.announced.number] = head
        return self.announced.number


@dataclass
class _Announced:
    """A track that begins in a later recording: its number there is, and its first pages."""

    number: int
    pages: list[bytes] = field(default_factory=list)
    whole: bool = False

    def add(self, page: bytes, position: int) -> None:
        """Keep a page of this track if it is one of the first."""
        self.whole |= position not in (0, _NOWHERE)
        if not self.whole:
            self.pages.append(page)


def _kind(head: bytes) -> bytes:
    """What the heads of two tracks must share so that libraries go on from one to the other.

    The codec, where packets refer to them the places of channels, and Vorbis' number and rate.
    """
    if head.startswith(_OPUS):
        return b"%d %b" % (len(head), _OPUS + head[18:])
    return head[:16] if head.startswith(_VORBIS) else head[:5]


def is_joined(path: Path) -> bool:
    """Whether a file is of several Ogg recordings whose tracks have other numbers."""
    return _numbers_of(path).changed


def leaves_tracks_out(path: Path) -> bool:
    """Whether later recordings of a joined file have tracks that the first one has not."""
    return _numbers_of(path).left_out


def recording_places(path: Path) -> list[int]:
    """The bytes at which recordings begin in what libraries read; none if it is no Ogg file."""
    return _numbers_of(path).places


def _numbers_of(path: Path) -> _Numbers:
    try:
        with path.open("rb") as file:
            if file.read(len(_MARK)) != _MARK:
                return _Numbers()
        status = path.stat()
    except OSError:
        return _Numbers()  # which is told by who reads it
    return _looked_through(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(64)
def _looked_through(path: Path, size: int, changed: int) -> _Numbers:
    del size, changed  # a file that has changed is another one
    numbers = _Numbers()
    for _ in _renumbered(path, numbers):
        pass
    if numbers.announced is not None:
        numbers = _Numbers(announced=numbers.announced)
        for _ in _renumbered(path, numbers):
            pass
    return numbers


def pages(path: Path) -> Iterator[bytes]:
    """The bytes of a joined file, page by page, with the numbers of its first recording.

    What belongs to tracks that the first has not is left out. Raises BrushflowError where the file
    cannot be read.
    """
    return _renumbered(path, _Numbers(announced=_numbers_of(path).announced))


def _renumbered(path: Path, numbers: _Numbers) -> Iterator[bytes]:
    told = numbers.announced
    moved = len(told.pages) if told is not None else 0
    try:
        with path.open("rb") as file:
            while header := file.read(_HEADER.size):
                if len(header) < _HEADER.size or not header.startswith(_MARK):
                    rest = _up_to_next(file, header)
                    numbers.given += len(rest)
                    yield rest
                    continue
                _, flags, position, number, _, _, count = _HEADER.unpack(header)
                lengths = file.read(count)
                body = file.read(sum(lengths))
                begins = flags & _BEGINS_TRACK
                if told is not None and not begins:
                    numbers.tell(told)
                    yield from told.pages
                    told = None
                other, new = numbers.begin(number, body) if begins else (numbers.of(number), body)
                if other is None:
                    continue
                page = _changed(header + lengths + body, other, new)
                if numbers.announced is not None and other == numbers.announced.number:
                    numbers.announced.add(page, position)
                    moved -= 1
                    if moved >= 0:
                        continue
                numbers.given += len(page)
                yield page
    except OSError as error:
        raise BrushflowError(f"{path} cannot be read: {error.strerror}.") from error


def _changed(page: bytes, number: int, body: bytes) -> bytes:
    """A page with another number and a body of the same length: damaged only if it was before."""
    place = len(page) - len(body)
    new = bytearray(page[:place] + body)
    struct.pack_into("<I", new, _NUMBER, number)
    if new == page:
        return page
    # The checksum is linear.
    change = int.from_bytes(page, "big") ^ int.from_bytes(new, "big")
    (checksum,) = struct.unpack_from("<I", page, _CHECKSUM)
    struct.pack_into("<I", new, _CHECKSUM, checksum ^ _sum_of(change.to_bytes(len(page), "big")))
    return bytes(new)


def _up_to_next(file: BinaryIO, begun: bytes) -> bytes:
    """What lies before the next page: damage, or the end."""
    data = begun + file.read(_LONGEST_PAGE)
    place = data.find(_MARK, 1)
    if place < 0:
        place = max(1, len(data) - len(_MARK) + 1)
    file.seek(place - len(data), os.SEEK_CUR)
    return data[:place]


def _sum_of(page: bytes) -> int:
    """Ogg's checksum: that of zip files with all bits the other way round, from 0 on."""
    start = 0xFFFFFFFF
    return int(f"{zlib.crc32(page.translate(_REVERSED), start) ^ start:032b}"[::-1], 2)


class Pages:
    """The same as ``pages``, as a file that is read from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._pages = pages(path)
        self._rest = b""

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; none at the end."""
        self._rest = self._rest or next(self._pages, b"")
        given, self._rest = self._rest[:count], self._rest[count:]
        return given
