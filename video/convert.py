"""Tracks that a container cannot hold as they are, in a codec that it can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import ffmpeg as ffmpeg_graph
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from brushflow.video import ffmpeg

_BITS_PER_CHANNEL = 96_000
_LAYOUTS = ((1, "mono"), (2, "stereo"), (6, "5.1"))
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


class AudioConverter:
    """Decodes the packets of one audio track and encodes them into a new track of ``target``.

    Times stay those of the source; gaps in damaged recordings are filled with silence, because an
    encoder takes its input for continuous.
    """

    def __init__(self, target: OutputContainer, stream: AudioStream, encoder: str) -> None:
        self.codec = encoder
        context = stream.codec_context
        rate = context.sample_rate
        if encoder == "libopus" and rate not in _OPUS_RATES:
            rate = 48000
        # Encoders know fewer arrangements of speakers than files do, some of which name none.
        channels = context.layout.nb_channels
        layout = next((name for most, name in _LAYOUTS if channels <= most), "7.1")
        self.output = target.add_stream(
            encoder, rate=rate, options={"flags": "+bitexact"}, layout=layout
        )
        self.output.bit_rate = _BITS_PER_CHANNEL * channels
        self._graph = av.filter.Graph()
        source = self._graph.add_abuffer(template=stream)
        steady = self._graph.add("aresample", "async=1")
        arranged = self._graph.add("aformat", f"channel_layouts={layout}")
        sink = self._graph.add("abuffersink")
        source.link_to(steady)
        steady.link_to(arranged)
        arranged.link_to(sink)
        self._graph.configure()

    def convert(self, packet: Packet) -> Iterator[Packet]:
        """Yield what ``packet`` completes; a packet that cannot be decoded becomes silence."""
        try:
            frames = packet.decode()
        except (av.FFmpegError, EOFError):
            return
        for frame in frames:
            self._graph.push(frame)
            yield from self._encode_ready()

    def finish(self) -> Iterator[Packet]:
        """Yield what is left when the source has ended."""
        self._graph.push(None)
        yield from self._encode_ready()
        yield from self.output.encode(None)

    def _encode_ready(self) -> Iterator[Packet]:
        while (frame := self._pull()) is not None:
            yield from self.output.encode(frame)

    def _pull(self) -> AudioFrame | None:
        try:
            return self._graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return None


def convert_subtitle(source: Path, index: int, encoder: str, folder: Path) -> Path:
    """Rewrite the text subtitle stream ``index`` of ``source`` and return a file in ``folder``."""
    kind = "mp4" if encoder == "mov_text" else "matroska"
    result = folder / f"{index}.{kind}"
    stream = ffmpeg_graph.input(ffmpeg.file_url(source))[str(index)]
    output = stream.output(
        ffmpeg.file_url(result), **{"f": kind, "c:s": encoder, "copyts": None}
    ).global_args("-nostdin", "-hide_banner", "-v", "error", "-y")
    command = output.compile(cmd=ffmpeg.ffmpeg_binary())
    ffmpeg.run_ffmpeg(command, f"convert the subtitles of {source.name} to {encoder}")
    return result
