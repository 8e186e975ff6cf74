"""Opening files for reading: as plain files, whatever they are called, and nothing that they name.

A playlist or a script of ffmpeg's is a text that makes it open other files and addresses, so a
video from somewhere could read along on this computer or call home.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import av
from av.container import InputContainer

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import ffmpeg
from brushflow.video.images import is_motion_jpeg
from brushflow.video.ogg import Pages, is_joined

KEPT_BYTES = "surrogateescape"
PLAYLISTS_VARIABLE = "BRUSHFLOW_PLAYLISTS"

# ffmpeg's names of formats that are read by opening what they, or their own names, stand for.
_REFERRING = frozenset(
    {"hls", "applehttp", "concat", "concatf", "dash", "imf", "webm_dash_manifest", "vobsub", "mlv"}
    | {"sdp", "rtsp", "rtp", "sap", "image2", "lavfi", "avisynth", "vapoursynth", "dvdvideo"}
)
_FIRST_WORDS = {
    b"#EXTM3U": "a playlist",
    b"ffconcat version": "a list of files to join",
    b"<MPD": "a playlist",
    b"v=0": "a description of a stream",
}
_LOOKED_AT = 4096


def follows_playlists() -> bool:
    """Whether the user asked for playlists: ``$BRUSHFLOW_PLAYLISTS`` is set, and not to 0."""
    return os.environ.get(PLAYLISTS_VARIABLE, "0") not in ("", "0")


def _limits() -> dict[str, str]:
    """Options of libavformat that keep it from opening anything but the file it is given."""
    if follows_playlists():
        return {}
    return {"protocol_whitelist": "file", "format_whitelist": _plain_formats()}


@functools.cache
def _plain_formats() -> str:
    return ",".join(sorted(av.formats_available - _REFERRING))


def input_options(container: str) -> dict[str, str]:
    """Return the input options by which the ffmpeg program reads a file as ``open_input`` did.

    ``container``: the name of the format that was found then. The program's libraries are of
    another version than PyAV's, and where the two take a file for different things, one could see
    a harmless video and the other a playlist. A format that only PyAV knows is left to the
    program, within the same limits.
    """
    names = set(container.split(","))
    known = next((name for name in ffmpeg.demuxers() if names & set(name.split(","))), None)
    # Pictures of 10 ms were slowed down by programs before version 6, as browsers do.
    clock = {"min_delay": "1"} if known == "gif" else {}
    return _limits() | ({"f": known.split(",")[0]} if known else {}) | clock


def open_input(path: Path) -> InputContainer:
    """Open a media file; av.FFmpegError, ValueError or EOFError if it is none.

    In its tags, bytes that are not UTF-8 are kept as Python keeps those of file names.
    Raises UsageError for a playlist, unless the user asked for such.
    """
    options = _limits()
    try:
        if is_joined(path):
            return av.open(Pages(path), "r", "ogg", options, metadata_errors=KEPT_BYTES)
        # Whose name may be that of a picture, and whose frames may be too small to be recognised.
        kind = "mjpeg" if path.is_file() and is_motion_jpeg(path) else None
        return av.open(ffmpeg.file_url(path), "r", kind, options, metadata_errors=KEPT_BYTES)
    except (av.FFmpegError, ValueError, EOFError):
        if options:
            _refuse_playlist(path)
        raise


def _refuse_playlist(path: Path) -> None:
    try:
        with path.open("rb") as file:
            beginning = file.read(_LOOKED_AT)
    except OSError as error:
        raise BrushflowError(f"{path} cannot be read: {error.strerror}.") from error
    for words, kind in _FIRST_WORDS.items():
        start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start.startswith(words) or (words == b"<MPD" and words in beginning):
            raise UsageError(
                f"{path} is {kind}, which may name other files and addresses; set "
                f"{PLAYLISTS_VARIABLE}=1 to have it followed."
            )
