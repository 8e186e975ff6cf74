"""What .mp4 and .mov files say of spherical frames, and writing it.

Google's Spherical Video V2 puts boxes into the description of the video track (``st3d`` for stereo,
``sv3d`` for the projection), its V1 an XML text into the track. A file may hold either or both.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

logger = logging.getLogger(__name__)

_XML_UUID = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
_XML = (
    '<?xml version="1.0"?><rdf:SphericalVideo '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/">'
    "<GSpherical:Spherical>true</GSpherical:Spherical>"
    "<GSpherical:Stitched>true</GSpherical:Stitched>"
    "<GSpherical:StitchingSoftware>brushflow</GSpherical:StitchingSoftware>"
    "<GSpherical:ProjectionType>equirectangular</GSpherical:ProjectionType>"
    "</rdf:SphericalVideo>"
)
_LARGEST_MOOV = 1 << 28  # bytes; one of an hour has about 2 MB
_VISUAL_ENTRY = 78  # bytes of a video's description before its boxes


@dataclass(frozen=True)
class Sphere:
    """A sphere as a file describes it.

    ``layout``: "equirect" or "cubemap" (3 × 2 tiles). ``entry``: boxes for the description of the
    video track; ``track``: a box for the track itself; either may be empty. They hold what else
    was said, the initial view for one, and are written as they were read.
    """

    layout: str
    entry: bytes
    track: bytes


@dataclass(frozen=True)
class _Box:
    """A box in a byte string: where it begins, where its content does, and where it ends."""

    kind: bytes
    start: int
    content: int
    end: int


def new_sphere(layout: str) -> Sphere:
    """What to write for a video that has not said that it is spherical."""
    full = bytes(4)  # version and flags
    projection = _box(b"equi", full + bytes(16)) if layout == "equirect" else b""
    projection = projection or _box(b"cbmp", full + bytes(8))
    header = _box(b"svhd", full + b"brushflow\0")
    pose = _box(b"prhd", full + bytes(12))
    sphere = _box(b"sv3d", header + _box(b"proj", pose + projection))
    xml = _box(b"uuid", _XML_UUID + _XML.encode()) if layout == "equirect" else b""
    return Sphere(layout, _box(b"st3d", full + b"\0") + sphere, xml)


def read_sphere(path: Path, container: str) -> Sphere | None:
    """What a file of this container (ffmpeg's name) says of spherical frames, None if nothing.

    None also for what is not painted as a sphere: stereo, parts of one, other projections.
    """
    if "mp4" not in container.split(","):
        return None
    try:
        with path.open("rb") as file:
            place = _find_moov(file)
            if place is None:
                return None
            file.seek(place.start)
            moov = file.read(place.end - place.start)
        return _describe(moov, path)
    except (OSError, struct.error, IndexError, ValueError):
        return None  # a damaged file, which others complain about


def write_sphere(path: Path, is_mov: bool, sphere: Sphere) -> list[str]:
    """Make a finished file say that its frames are spherical; sentences if it cannot."""
    if not is_mov:
        return [
            f"{path.suffix} files are not marked as spherical; choose an .mp4 file for players to "
            f"show it as a sphere."
        ]
    with path.open("rb") as file:
        place = _find_moov(file)
        file.seek(place.start)
        moov = bytearray(file.read(place.end - place.start))
        track, entry = _video_track(moov)
        before = len(moov)
        # The later place first, so that the earlier one stays where it is.
        _insert(moov, [*_path_to(moov, track.start), track], track.end, sphere.track)
        _insert(moov, [*_path_to(moov, entry.start), entry], entry.end, sphere.entry)
        if place.start < _first_data(file):
            try:
                _move_data(moov, len(moov) - before)
            except struct.error:
                return ["The result ends so close to 4 GB that it cannot be marked as spherical."]
        rewritten = path.with_name(f"{path.name}.sphere")
        try:
            with rewritten.open("wb") as target:
                file.seek(0)
                _copy(file, target, place.start)
                target.write(moov)
                file.seek(place.end)
                shutil.copyfileobj(file, target)
            rewritten.replace(path)
        finally:
            rewritten.unlink(missing_ok=True)
    return []


def _describe(moov: bytes, path: Path) -> Sphere | None:
    found = _video_track(moov)
    if found is None:
        return None
    track, entry = found
    boxes = {box.kind: box for box in _boxes(moov, entry.content + _VISUAL_ENTRY, entry.end)}
    xml = next(
        (
            box
            for box in _boxes(moov, track.content, track.end)
            if box.kind == b"uuid" and moov[box.content : box.content + 16] == _XML_UUID
        ),
        None,
    )
    layouts = []
    if b"sv3d" in boxes:
        layouts.append(_projection(moov, boxes[b"sv3d"]))
        stereo = boxes.get(b"st3d")
        if stereo is not None and moov[stereo.content + 4] != 0:
            layouts.append("stereo")
    if xml is not None:
        layouts.append(_xml_projection(moov[xml.content + 16 : xml.end].decode("utf-8", "ignore")))
    if not layouts or layouts == [""]:
        return None
    layout = next((name for name in layouts if name not in ("equirect", "cubemap")), layouts[0])
    if layout not in ("equirect", "cubemap"):
        logger.info("%s is spherical, but %s: it is painted as flat pictures.", path, layout)
        return None
    kept = [boxes[kind] for kind in (b"st3d", b"sv3d") if kind in boxes and b"sv3d" in boxes]
    return Sphere(
        layout,
        b"".join(bytes(moov[box.start : box.end]) for box in kept),
        bytes(moov[xml.start : xml.end]) if xml is not None else b"",
    )


def _projection(moov: bytes, sphere: _Box) -> str:
    for outer in _boxes(moov, sphere.content, sphere.end):
        if outer.kind != b"proj":
            continue
        for box in _boxes(moov, outer.content, outer.end):
            values = moov[box.content + 4 : box.end]
            if box.kind == b"equi":
                return "only a part of the sphere" if any(values[:16]) else "equirect"
            if box.kind == b"cbmp":
                return "a cubemap with padding" if any(values[:8]) else "cubemap"
    return "in another projection"


def _xml_projection(xml: str) -> str:
    def value(name: str) -> str:
        match = re.search(rf"<GSpherical:{name}>\s*(.*?)\s*</", xml)
        return match[1].lower() if match else ""

    if value("Spherical") != "true":
        return ""
    if value("StereoMode") not in ("", "mono"):
        return "stereo"
    shown = [value(f"CroppedAreaImage{side}Pixels") for side in ("Width", "Height")]
    whole = [value(f"FullPano{side}Pixels") for side in ("Width", "Height")]
    if any(a != b for a, b in zip(shown, whole, strict=True) if a and b):
        return "only a part of the sphere"
    return "equirect" if value("ProjectionType") == "equirectangular" else "in another projection"


def _video_track(moov: bytes) -> tuple[_Box, _Box] | None:
    """The first video track and its description (the first entry of ``stsd``)."""
    (root,) = _boxes(moov, 0, len(moov))
    for track in _boxes(moov, root.content, root.end):
        if track.kind != b"trak":
            continue
        media = _child(moov, track, b"mdia")
        handler = media and _child(moov, media, b"hdlr")
        if not handler or moov[handler.content + 8 : handler.content + 12] != b"vide":
            continue
        table = media
        for kind in (b"minf", b"stbl", b"stsd"):
            table = table and _child(moov, table, kind)
        # version, flags and a count come before the entries
        entries = table and list(_boxes(moov, table.content + 8, table.end))
        if entries:
            return track, entries[0]
    return None


def _child(data: bytes, parent: _Box, kind: bytes) -> _Box | None:
    boxes = _boxes(data, parent.content, parent.end)
    return next((box for box in boxes if box.kind == kind), None)


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
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
        yield _Box(kind, start, content, start + length)
        start += length


def _top_level(file: BinaryIO) -> Iterator[_Box]:
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
        yield _Box(kind, start, content, start + length)
        start += length


def _find_moov(file: BinaryIO) -> _Box | None:
    for box in _top_level(file):
        if box.kind == b"moov" and box.end - box.start <= _LARGEST_MOOV:
            return box
    return None


def _first_data(file: BinaryIO) -> int:
    return min((box.start for box in _top_level(file) if box.kind == b"mdat"), default=0)


def _path_to(moov: bytes, place: int) -> list[_Box]:
    """The boxes around the one that begins at ``place``, from the outermost on."""
    around = []
    (box,) = _boxes(moov, 0, len(moov))
    while box.start != place:
        around.append(box)
        content = box.content + (8 if box.kind == b"stsd" else 0)
        inner = _boxes(moov, content, box.end)
        box = next(candidate for candidate in inner if candidate.start <= place < candidate.end)
    return around


def _insert(moov: bytearray, around: list[_Box], place: int, addition: bytes) -> None:
    """Put boxes in at ``place`` and let those ``around`` it grow."""
    for box in around:
        struct.pack_into(">I", moov, box.start, box.end - box.start + len(addition))
    moov[place:place] = addition


def _move_data(moov: bytearray, distance: int) -> None:
    """Let the chunk tables of all tracks point this many bytes further."""
    (root,) = _boxes(moov, 0, len(moov))
    for track in _boxes(moov, root.content, root.end):
        table = track if track.kind == b"trak" else None
        for kind in (b"mdia", b"minf", b"stbl"):
            table = table and _child(moov, table, kind)
        for box in _boxes(moov, table.content, table.end) if table else ():
            form = {b"stco": "I", b"co64": "Q"}.get(box.kind)
            if form is None:
                continue
            (count,) = struct.unpack_from(">I", moov, box.content + 4)
            table_form = f">{count}{form}"
            offsets = struct.unpack_from(table_form, moov, box.content + 8)
            moved = (offset + distance for offset in offsets)
            struct.pack_into(table_form, moov, box.content + 8, *moved)


def _copy(file: BinaryIO, target: BinaryIO, count: int) -> None:
    while count:
        block = file.read(min(count, 1 << 20))
        target.write(block)
        count -= len(block)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
