"""What .mp4 and .mov files say of spherical frames, and writing it.

Google's Spherical Video V2 puts boxes into the description of the video track (``st3d`` for stereo,
``sv3d`` for the projection), its V1 an XML text into the track. A file may hold either or both.
"""

from __future__ import annotations

import logging
import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from brushflow.video.boxes import (
    VISUAL_ENTRY,
    Box,
    boxes_in,
    copy_bytes,
    find_moov,
    first_data,
    insert,
    make_box,
    move_data,
    path_to,
    video_tracks,
)

logger = logging.getLogger(__name__)

STEREO = ("none", "top-bottom", "left-right")  # how frames hold the pictures of two eyes
# By ``st3d``'s number; 4 is left-right with the eyes exchanged.
_STEREO = {0: "none", 1: "top-bottom", 2: "left-right", 4: "left-right"}
_XML_UUID = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
_XML = (
    '<?xml version="1.0"?><rdf:SphericalVideo '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/">'
    "<GSpherical:Spherical>true</GSpherical:Spherical>"
    "<GSpherical:Stitched>true</GSpherical:Stitched>"
    "<GSpherical:StitchingSoftware>brushflow</GSpherical:StitchingSoftware>"
    "<GSpherical:ProjectionType>equirectangular</GSpherical:ProjectionType>"
    "{}</rdf:SphericalVideo>"
)


@dataclass(frozen=True)
class Sphere:
    """A sphere as a file describes it.

    ``layout``: "equirect" or "cubemap" (3 × 2 tiles). ``entry``: boxes for the description of the
    video track; ``track``: a box for the track itself; either may be empty. They hold what else
    was said, the initial view for one, and are written as they were read. ``stereo``: one of
    ``STEREO``.
    """

    layout: str
    entry: bytes
    track: bytes
    stereo: str = "none"


def stereo_by_shape(width: int, height: int) -> str:
    """One of ``STEREO`` for equirectangular frames of this size, as a sphere's are 2:1."""
    if width == height:
        return "top-bottom"
    return "left-right" if width == 4 * height else "none"


def new_sphere(layout: str, stereo: str = "none") -> Sphere:
    """What to write for a video that has not said that it is spherical."""
    full = bytes(4)  # version and flags
    projection = make_box(b"equi", full + bytes(16)) if layout == "equirect" else b""
    projection = projection or make_box(b"cbmp", full + bytes(8))
    header = make_box(b"svhd", full + b"brushflow\0")
    pose = make_box(b"prhd", full + bytes(12))
    sphere = make_box(b"sv3d", header + make_box(b"proj", pose + projection))
    mode = f"<GSpherical:StereoMode>{stereo}</GSpherical:StereoMode>" if stereo != "none" else ""
    text = _XML.format(mode).encode()
    xml = make_box(b"uuid", _XML_UUID + text) if layout == "equirect" else b""
    eyes = make_box(b"st3d", full + bytes([STEREO.index(stereo)]))
    return Sphere(layout, eyes + sphere, xml, stereo)


def read_sphere(path: Path, container: str) -> Sphere | None:
    """What a file of this container (ffmpeg's name) says of spherical frames, None if nothing.

    None also for what is not painted as a sphere: parts of one, other projections, other stereo.
    """
    if "mp4" not in container.split(","):
        return None
    try:
        with path.open("rb") as file:
            place = find_moov(file)
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
        place = find_moov(file)
        assert place is not None, "the muxer writes one"
        file.seek(place.start)
        moov = bytearray(file.read(place.end - place.start))
        track, entry = next(video_tracks(moov))
        before = len(moov)
        # The later place first, so that the earlier one stays where it is.
        insert(moov, [*path_to(moov, track.start), track], track.end, sphere.track)
        insert(moov, [*path_to(moov, entry.start), entry], entry.end, sphere.entry)
        if place.start < first_data(file):
            try:
                move_data(moov, len(moov) - before)
            except struct.error:
                return ["The result ends so close to 4 GB that it cannot be marked as spherical."]
    rewritten = path.with_name(f"{path.name}.sphere")
    try:
        with path.open("rb") as file, rewritten.open("xb") as target:
            copy_bytes(file, target, place.start)
            target.write(moov)
            file.seek(place.end)
            shutil.copyfileobj(file, target)
        rewritten.replace(path)  # both are closed, as Windows demands
    finally:
        rewritten.unlink(missing_ok=True)
    return []


def _describe(moov: bytes, path: Path) -> Sphere | None:
    found = next(video_tracks(moov), None)
    if found is None:
        return None
    track, entry = found
    boxes = {box.kind: box for box in boxes_in(moov, entry.content + VISUAL_ENTRY, entry.end)}
    xml = next(
        (
            box
            for box in boxes_in(moov, track.content, track.end)
            if box.kind == b"uuid" and moov[box.content : box.content + 16] == _XML_UUID
        ),
        None,
    )
    layouts, eyes = [], []
    if b"sv3d" in boxes:
        layouts.append(_projection(moov, boxes[b"sv3d"]))
        stereo = boxes.get(b"st3d")
        if stereo is not None:
            eyes.append(_STEREO.get(moov[stereo.content + 4], ""))
    if xml is not None:
        text = moov[xml.content + 16 : xml.end].decode("utf-8", "ignore")
        layouts.append(_xml_projection(text))
        mode = _xml_value(text, "StereoMode") or "mono"
        eyes.append("none" if mode == "mono" else mode if mode in STEREO else "")
    if not layouts or layouts == [""]:
        return None
    layout = next((name for name in layouts if name not in ("equirect", "cubemap")), layouts[0])
    if "" in eyes:
        layout = "in stereo of another kind"
    if layout not in ("equirect", "cubemap"):
        logger.info("%s is spherical, but %s: it is painted as flat pictures.", path, layout)
        return None
    kept = [boxes[kind] for kind in (b"st3d", b"sv3d") if kind in boxes and b"sv3d" in boxes]
    return Sphere(
        layout,
        b"".join(bytes(moov[box.start : box.end]) for box in kept),
        bytes(moov[xml.start : xml.end]) if xml is not None else b"",
        next((name for name in eyes if name != "none"), "none"),
    )


def _projection(moov: bytes, sphere: Box) -> str:
    for outer in boxes_in(moov, sphere.content, sphere.end):
        if outer.kind != b"proj":
            continue
        for box in boxes_in(moov, outer.content, outer.end):
            values = moov[box.content + 4 : box.end]
            if box.kind == b"equi":
                return "only a part of the sphere" if any(values[:16]) else "equirect"
            if box.kind == b"cbmp":
                return "a cubemap with padding" if any(values[:8]) else "cubemap"
    return "in another projection"


def _xml_value(xml: str, name: str) -> str:
    match = re.search(rf"<GSpherical:{name}>\s*(.*?)\s*</", xml)
    return match[1].lower() if match else ""


def _xml_projection(xml: str) -> str:
    def value(name: str) -> str:
        return _xml_value(xml, name)

    if value("Spherical") != "true":
        return ""
    shown = [value(f"CroppedAreaImage{side}Pixels") for side in ("Width", "Height")]
    whole = [value(f"FullPano{side}Pixels") for side in ("Width", "Height")]
    if any(a != b for a, b in zip(shown, whole, strict=True) if a and b):
        return "only a part of the sphere"
    return "equirect" if value("ProjectionType") == "equirectangular" else "in another projection"
