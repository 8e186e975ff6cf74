"""Boxes, which .mp4 and .mov files are made of (ISO/IEC 14496-12), in bytes and in files."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

Bytes: TypeAlias = bytes | bytearray
VISUAL_ENTRY = 78  # bytes of a video's description before its boxes
_LARGEST_MOOV = 1 << 28  # bytes; one of an hour has about 2 MB


@dataclass(frozen=True)
class Box:
    """A box in a byte string: where it begins, where its content does, and where it ends."""

    kind: bytes
    start: int
    content: int
    end: int


def child(data: Bytes, parent: Box, kind: bytes) -> Box | None:
    """The first box of a kind right in another one."""
    boxes = boxes_in(data, parent.content, parent.end)
    return next((box for box in boxes if box.kind == kind), None)


def boxes_in(data: Bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes that lie side by side; ValueError where there is something else."""
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, content)
            content += 8
        elif length == 0:
            length = end - start
        if not content <= start + length <= end:
            raise ValueError("a box that is longer than what it lies in")
        yield Box(kind, start, content, start + length)
        start += length


def _top_level(file: BinaryIO) -> Iterator[Box]:
    size = file.seek(0, os.SEEK_END)
    start = 0
    while start + 8 <= size:
        file.seek(start)
        header = file.read(16).ljust(16, b"\0")
        length, kind, large = struct.unpack(">I4sQ", header)
        content = start + 16 if length == 1 else start + 8
        length = {0: size - start, 1: large}.get(length, length)
        if start + length < content:
            return
        yield Box(kind, start, content, start + length)
        start += length


def find_moov(file: BinaryIO) -> Box | None:
    """The box that describes the tracks, by its place in the file."""
    for box in _top_level(file):
        if box.kind == b"moov" and box.end - box.start <= _LARGEST_MOOV:
            return box
    return None


def first_data(file: BinaryIO) -> int:
    """Where the first box of frames and sound begins in the file."""
    return min((box.start for box in _top_level(file) if box.kind == b"mdat"), default=0)


def video_tracks(moov: Bytes) -> Iterator[tuple[Box, Box]]:
    """The video tracks that are described, each with the first entry of its ``stsd``."""
    (root,) = boxes_in(moov, 0, len(moov))
    for track in boxes_in(moov, root.content, root.end):
        if track.kind != b"trak":
            continue
        media = child(moov, track, b"mdia")
        handler = media and child(moov, media, b"hdlr")
        if not handler or moov[handler.content + 8 : handler.content + 12] != b"vide":
            continue
        table = media
        for kind in (b"minf", b"stbl", b"stsd"):
            table = table and child(moov, table, kind)
        # version, flags and a count come before the entries
        entries = table and list(boxes_in(moov, table.content + 8, table.end))
        if entries:
            yield track, entries[0]


def path_to(moov: Bytes, place: int) -> list[Box]:
    """The boxes around the one that begins at ``place``, from the outermost on."""
    around = []
    (box,) = boxes_in(moov, 0, len(moov))
    while box.start != place:
        around.append(box)
        content = box.content + (8 if box.kind == b"stsd" else 0)
        inner = boxes_in(moov, content, box.end)
        box = next(candidate for candidate in inner if candidate.start <= place < candidate.end)
    return around


def insert(moov: bytearray, around: list[Box], place: int, addition: bytes) -> None:
    """Put boxes in at ``place`` and let those ``around`` it grow."""
    for box in around:
        struct.pack_into(">I", moov, box.start, box.end - box.start + len(addition))
    moov[place:place] = addition


def move_data(moov: bytearray, distance: int) -> None:
    """Let the chunk tables of all tracks point this many bytes further."""
    (root,) = boxes_in(moov, 0, len(moov))
    for track in boxes_in(moov, root.content, root.end):
        table = track if track.kind == b"trak" else None
        for kind in (b"mdia", b"minf", b"stbl"):
            table = table and child(moov, table, kind)
        for box in boxes_in(moov, table.content, table.end) if table else ():
            form = {b"stco": "I", b"co64": "Q"}.get(box.kind)
            if form is None:
                continue
            (count,) = struct.unpack_from(">I", moov, box.content + 4)
            table_form = f">{count}{form}"
            offsets = struct.unpack_from(table_form, moov, box.content + 8)
            moved = (offset + distance for offset in offsets)
            struct.pack_into(table_form, moov, box.content + 8, *moved)


def copy_bytes(file: BinaryIO, target: BinaryIO, count: int) -> None:
    """Copy from where both files are."""
    while count:
        block = file.read(min(count, 1 << 20))
        target.write(block)
        count -= len(block)


def make_box(kind: bytes, content: bytes) -> bytes:
    """A box of four letters."""
    return struct.pack(">I4s", 8 + len(content), kind) + content
