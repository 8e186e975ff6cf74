"""Words in files that are not UTF-8, read as players read them."""

from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path

import av
from av.packet import Packet

from brushflow.video.opening import KEPT_BYTES, open_input

# What players fall back to, of all encodings in old files the most frequent by far.
FALLBACK = "Windows-1252"
_HANDLER = "brushflow.western"
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)


def _western(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_HANDLER, _western)


def was_guessed(text: str) -> bool:
    """Whether a text of ``open_input`` holds bytes that are not UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def clean_text(text: str) -> str:
    """A text of ``open_input`` with letters in the place of bytes that are not UTF-8."""
    return text.encode("utf-8", KEPT_BYTES).decode("utf-8", _HANDLER)


def clean_packet(packet: Packet, codec: str) -> Packet:
    """The packet of a text subtitle; where it is not UTF-8, another one that is."""
    data = bytes(packet)
    # The text of .mp4 files has its length before it, and may have its looks behind it.
    length = int.from_bytes(data[:2], "big") if codec == "mov_text" else len(data)
    start = 2 if codec == "mov_text" else 0
    text, looks = data[start : start + length], data[start + length :]
    clean = text.decode("utf-8", _HANDLER).encode()
    if clean == text or text.startswith(_BYTE_ORDER_MARKS):
        return packet
    prefix = len(clean).to_bytes(2, "big") if codec == "mov_text" else b""
    cleaned = Packet(prefix + clean + looks)
    cleaned.pts, cleaned.dts, cleaned.duration = packet.pts, packet.dts, packet.duration
    cleaned.time_base, cleaned.stream = packet.time_base, packet.stream
    cleaned.is_keyframe = True
    return cleaned


def clean_subtitle(source: Path, index: int, codec: str, folder: Path) -> Path | None:
    """Write the text subtitle ``index`` of ``source`` as UTF-8 to a file in ``folder``.

    Returns None, and leaves nothing, where it is UTF-8 as it is.
    """
    result = folder / f"{index}-clean.{'mp4' if codec == 'mov_text' else 'mkv'}"
    changed = False
    with open_input(source) as container, av.open(f"file:{result.absolute()}", "w") as target:
        stream = container.streams[index]
        added = target.add_stream_from_template(stream, opaque=True)
        with suppress(av.FFmpegError, EOFError):  # where a damaged file ends, its lines do
            for packet in container.demux(stream):
                if packet.pts is None or not packet.size:
                    continue
                clean = clean_packet(packet, codec)
                changed |= clean is not packet
                clean.stream = added
                target.mux(clean)
    if not changed:
        result.unlink()
        return None
    return result
