"""Languages of the tracks of .mov files, where the muxer knows only those of old Macintoshes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from brushflow.video.boxes import boxes_in, child, find_moov


def write_languages(path: Path, languages: Sequence[str | None]) -> None:
    """Set the language of each track of a .mov file, in order; None leaves what is there.

    They are ISO 639-2 codes of three letters, which QuickTime reads packed into 15 bits as .mp4
    files have them; anything else is left out.
    """
    with path.open("r+b") as file:
        box = find_moov(file)
        if box is None:
            return
        file.seek(box.start)
        moov = bytearray(file.read(box.end - box.start))
        (root,) = boxes_in(moov, 0, len(moov))
        tracks = [
            track for track in boxes_in(moov, root.content, root.end) if track.kind == b"trak"
        ]
        for track, language in zip(tracks, languages, strict=False):  # chapters have one more
            media = child(moov, track, b"mdia")
            header = media and child(moov, media, b"mdhd")
            if not header or not language or language == "und":
                continue
            if re.fullmatch("[a-z]{3}", language):
                # Times of the header's version 1 have 64 bits.
                place = header.content + (32 if moov[header.content] == 1 else 20)
                first, second, third = (ord(letter) - 0x60 for letter in language)
                moov[place : place + 2] = (first << 10 | second << 5 | third).to_bytes(2, "big")
        file.seek(box.start)
        file.write(moov)
