"""What a finished file takes over from its source: sound, subtitles, attachments and tags."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from enum import Enum
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType, TracebackType

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from brushflow.common.errors import BrushflowError
from brushflow.video.clock import (
    PacketClock,
    joined_offsets,
    recording_start,
    runs_on,
    shown_until,
    tick_of,
)
from brushflow.video.containers import OutputKind, can_convert_subtitle, cover_mime
from brushflow.video.convert import AudioConverter, convert_subtitle
from brushflow.video.ogg import recording_places
from brushflow.video.opening import open_input
from brushflow.video.tags import guessed_tags, kept_tags, moved_chapters
from brushflow.video.tracks import main_video
from brushflow.video.trim import Trim
from brushflow.video.words import FALLBACK, clean_packet, clean_subtitle, clean_text


class Fate(Enum):
    """What becomes of a track: as the container's table has it, or less."""

    CARRY = "carry"
    CONVERT = "convert"
    LEAVE_OUT = "leave out"


# By the track's index; one that is not named is carried.
Fates = Mapping[int, Fate]
WHOLE = Trim()


class SourceTracks:
    """Everything but the frames of one source, on its way into a new file.

    Times are seconds on the new file's clock, which is the source's moved back by ``shift``:
    by ``start`` of a trim, or by the start of a recording whose clock does not begin near 0.
    ``notes`` has a sentence per track that could not be taken over as it is.
    """

    def __init__(
        self,
        source: Path,
        kind: OutputKind,
        output: Path,
        trim: Trim = WHOLE,
        fates: Fates = MappingProxyType({}),
    ) -> None:
        self.source = Path(source)
        self.kind = kind
        self.notes: list[str] = []
        self._suffix = output.suffix
        self._trim = trim
        self._fates = fates
        self._stack = ExitStack()
        self._copies: dict[int, Stream] = {}
        self._converters: dict[int, AudioConverter] = {}
        self._rewritten: list[tuple[InputContainer, Stream, Stream]] = []
        self._latest: dict[int, int] = {}
        self._guessed: set[int] = set()
        self._offsets: list[Fraction] | None = None
        self._clock = PacketClock(self._joined, recording_places(self.source))

    def __enter__(self) -> SourceTracks:
        try:
            container = open_input(self.source)
        except (OSError, av.FFmpegError) as error:
            raise BrushflowError(
                f"The sound of {self.source} cannot be read: {error.strerror}."
            ) from error
        self._container = self._stack.enter_context(container)
        start = self._trim.start
        self.shift = start if start is not None else recording_start(container)
        self._video = main_video(self._container, self.source)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def shown_until(self, last: Fraction) -> Fraction | None:
        """When the source stops showing its frame at ``last``, both on the source's clock."""
        if self._video is None or len(self._joined()) > 1:
            return None
        return shown_until(self.source, self._video, last, self._trim.end)

    def _joined(self) -> list[Fraction]:
        """See ``joined_offsets``."""
        if self._offsets is None:
            index = self._video.index if self._video is not None else 0
            self._offsets = joined_offsets(self.source, index)
            if len(self._offsets) > 1:
                self.notes.append(
                    f"{self.source} was joined of {len(self._offsets)} recordings, each with a "
                    "clock of its own; they are shown one after the other."
                )
        return self._offsets

    @property
    def others(self) -> list[int]:
        """The indices of all tracks but the one with the frames."""
        return [s.index for s in self._container.streams if s is not self._video]

    @property
    def video_metadata(self) -> dict[str, str]:
        """The tags of the source's video track."""
        return kept_tags(self._video.metadata) if self._video is not None else {}

    def add_to(self, target: OutputContainer) -> None:
        """Give ``target`` a track for each of the source's, its tags and its chapters."""
        if guessed_tags(self._container):
            self.notes.append(
                f"Some tags of {self.source} are not UTF-8; they were read as {FALLBACK}."
            )
        target.metadata.update(kept_tags(self._container.metadata))
        target.set_chapters(moved_chapters(self._container, self.shift, self._trim.end))
        for stream in self._container.streams:
            if stream is self._video:
                continue
            adders = {
                "audio": self._add_audio,
                "subtitle": self._add_subtitle,
                "attachment": self._add_attachment,
            }
            add = adders.get(stream.type, self._leave_out)
            if stream.disposition & Disposition.attached_pic:
                add = self._add_cover
            if self._fate(stream) is Fate.LEAVE_OUT:
                add = self._leave_out
            added = add(target, stream)
            if added is not None:
                added.metadata.update(kept_tags(stream.metadata))
                added.disposition = stream.disposition

    def _fate(self, stream: Stream) -> Fate:
        return self._fates.get(stream.index, Fate.CARRY)

    def _add_audio(self, target: OutputContainer, stream: Stream) -> Stream | None:
        codec = _codec_name(stream)
        if codec in self.kind.audio and self._fate(stream) is Fate.CARRY:
            return self._copy(target, stream)
        if codec is None or not isinstance(stream, AudioStream):
            return self._leave_out(target, stream)
        converter = AudioConverter(target, stream, self.kind.audio_encoder)
        self._converters[stream.index] = converter
        self._note(stream, f"was converted from {codec} to {converter.codec}")
        return converter.output

    def _add_subtitle(self, target: OutputContainer, stream: Stream) -> Stream | None:
        codec = _codec_name(stream)
        if codec in self.kind.subtitles and self._fate(stream) is Fate.CARRY:
            return self._copy(target, stream)
        if codec is None or not can_convert_subtitle(codec):
            return self._leave_out(target, stream)
        encoder = self.kind.subtitle_encoder
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="brushflow-")))
        file, container, index = self.source, self._container.format.name, stream.index
        clean = clean_subtitle(file, index, codec, folder)
        if clean is not None:
            self._say_guessed(stream)
            file, container, index = clean, "mp4" if codec == "mov_text" else "matroska", 0
        rewritten = convert_subtitle(file, container, index, encoder, folder)
        converted = self._stack.enter_context(open_input(rewritten))
        (track,) = converted.streams.subtitles
        self._note(stream, f"was converted from {codec} to {encoder}")
        added = target.add_stream_from_template(track, opaque=True)
        self._rewritten.append((converted, track, added))
        return added

    def _add_attachment(self, target: OutputContainer, stream: Stream) -> Stream | None:
        if not self.kind.attachments or not isinstance(stream, AttachmentStream):
            return self._leave_out(target, stream)
        tags = kept_tags(stream.metadata)
        name = tags.get("filename", f"attachment-{stream.index}")
        kind = tags.get("mimetype", "application/octet-stream")
        return target.add_attachment(name, kind, stream.data)

    def _add_cover(self, target: OutputContainer, stream: Stream) -> Stream | None:
        mime = cover_mime(_codec_name(stream))
        if mime is None or not (self.kind.format == "mp4" or self.kind.attachments):
            return self._leave_out(target, stream)
        if self.kind.format == "mp4":
            return self._copy(target, stream)
        with open_input(self.source) as container:
            picture = next(container.demux(container.streams[stream.index]))
            return target.add_attachment(f"cover.{mime[6:]}", mime, bytes(picture))

    def _copy(self, target: OutputContainer, stream: Stream) -> Stream:
        added = target.add_stream_from_template(stream, opaque=True)
        self._copies[stream.index] = added
        return added

    def _leave_out(self, target: OutputContainer, stream: Stream) -> Stream | None:
        del target
        if stream.type == "data" and self._container.chapters() and stream.name == "bin_data":
            return None  # the chapters' own titles, which are carried as chapters
        if stream.type == "video" and not stream.disposition & Disposition.attached_pic:
            self._note(stream, "was left out", "only one video track is stylized")
        else:
            self._note(stream, "was left out")
        return None

    def _note(self, stream: Stream, fate: str, reason: str = "") -> None:
        reason = reason or f"{self._suffix} files cannot hold it as it is"
        language = clean_text(stream.metadata.get("language", "und"))
        named = ", ".join([_codec_name(stream) or "unknown", *[language] * (language != "und")])
        self.notes.append(
            f"The {stream.type} track {stream.index} ({named}) {fate}, because {reason}."
        )

    def _say_guessed(self, stream: Stream) -> None:
        if stream.index not in self._guessed:
            self._guessed.add(stream.index)
            self.notes.append(
                f"The subtitle track {stream.index} is not UTF-8; it was read as {FALLBACK}."
            )

    def packets(self) -> Iterator[tuple[Fraction, Packet]]:
        """Yield (time, packet) in order of time; ready for muxing once ``add_to`` was called."""
        sources = [self._main_packets(), *(self._subtitle_packets(*p) for p in self._rewritten)]
        return heapq.merge(*sources, key=itemgetter(0))

    def _main_packets(self) -> Iterator[tuple[Fraction, Packet]]:
        wanted = [
            s for s in self._container.streams if s.index in {*self._copies, *self._converters}
        ]
        if not wanted:
            return
        # Sound in Ogg files comes a second behind the pictures, so that these tell nothing of it.
        broadcast = runs_on(self._container) and self._container.format.name != "ogg"
        if self._video is not None and broadcast:
            wanted.append(self._video)
        latest = Fraction(0)
        for packet in self._trim.shown(self._repaired(wanted)):
            index = packet.stream.index
            if packet.size and packet.stream.disposition & Disposition.attached_pic:
                packet.pts = packet.dts = 0
                packet.stream = self._copies[index]
                yield latest, packet
                continue
            if index in self._converters:
                for encoded in self._converters[index].convert(packet):
                    latest = max(latest, self._move(encoded, encoded.stream))
                    yield latest, encoded
                continue
            if self._is_priming(packet):
                continue
            codec = _codec_name(packet.stream)
            if codec is not None and can_convert_subtitle(codec):
                clean = clean_packet(packet, codec)
                if clean is not packet:
                    self._say_guessed(packet.stream)
                    packet = clean
            latest = max(latest, self._move(packet, self._copies[index]))
            yield latest, packet
        for converter in self._converters.values():
            for encoded in converter.finish():
                latest = max(latest, self._move(encoded, converter.output))
                yield latest, encoded

    def _repaired(self, streams: list[Stream]) -> Iterator[Packet]:
        for packet in self._demux(streams):
            if packet.stream is self._video:
                self._clock.move_video(packet)
            elif self._clock.move(packet):
                yield packet

    def _demux(self, streams: list[Stream]) -> Iterator[Packet]:
        packets = self._container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, EOFError):
                self.notes.append(f"{self.source} is damaged: its sound and subtitles end early.")
                return
            if packet is None:
                return
            yield packet

    def _subtitle_packets(
        self, container: InputContainer, stream: Stream, added: Stream
    ) -> Iterator[tuple[Fraction, Packet]]:
        for packet in self._trim.shown(container.demux(stream)):
            if packet.pts is None or not packet.size:
                continue
            yield self._move(packet, added), packet

    def _move(self, packet: Packet, track: Stream) -> Fraction:
        """Put a packet onto the new file's clock and track; returns the time to sort it by.

        Muxers want the packets of a track in order, those of .mp4 and .mov no two of one time
        (but for subtitles), and sources have such: the second one then comes a tick later.
        """
        shift, tick = self.shift, tick_of(track)
        times = (packet.pts, packet.dts)
        pts, dts = (t if t is None else round((t * packet.time_base - shift) / tick) for t in times)
        assert pts is not None or dts is not None  # the others were left out
        duration = round((packet.duration or 0) * packet.time_base / tick)
        earliest = self._latest.get(track.index)
        if earliest is not None:
            earliest += self.kind.is_mov and track.type != "subtitle"
            if dts is not None:
                dts = max(dts, earliest)
            if pts is not None and (dts is None or track.type == "audio"):
                pts = max(pts, earliest)
        packet.pts, packet.dts, packet.time_base, packet.stream = pts, dts, tick, track
        packet.duration = duration
        place = dts if dts is not None else pts
        assert place is not None
        self._latest[track.index] = place
        return place * tick

    def _is_priming(self, packet: Packet) -> bool:
        # Matroska has no times below 0 and would move the whole file, frames included, to make room
        # for the silence that an encoder puts first. Where its length is declared apart from the
        # times (Opus, or a Matroska source), there is room.
        early = packet.pts is not None and packet.pts * packet.time_base < self.shift
        if self.kind.is_mov or not early:
            return False
        declared = "matroska" in self._container.format.name or _codec_name(packet.stream) == "opus"
        return packet.stream.type == "audio" and not declared


def _codec_name(stream: Stream) -> str | None:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else None
