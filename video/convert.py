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
from brushflow.video.opening import input_options

_BITS_PER_CHANNEL = 96_000
_LAYOUTS = ((1, "mono"), (2, "stereo"), (6, "5.1"))


class AudioConverter:
    """Decodes the packets of one audio track and encodes them into a new track of ``target``.

    Times stay those of the source; gaps in damaged recordings are filled with silence, because an
    encoder takes its input for continuous.
    """

    def __init__(self, target: OutputContainer, stream: AudioStream, encoder: str) -> None:
        self.codec = encoder
        context = stream.codec_context
        rate = context.sample_rate
        known = sorted(av.Codec(encoder, "w").audio_rates or [rate])
        rate = next((enough for enough in known if enough >= rate), known[-1])
        # Encoders know fewer arrangements of speakers than files do, some of which name none.
        channels = context.layout.nb_channels
        layout = next((name for most, name in _LAYOUTS if channels <= most), "7.1")
        options = {"flags": "+bitexact"}
        added = target.add_stream(encoder, rate=rate, options=options, layout=layout)
        assert isinstance(added, AudioStream)  # of that codec
        self.output = added
        self.output.bit_rate = _BITS_PER_CHANNEL * channels
        self._target = f"sample_rates={rate}:channel_layouts={layout}"
        self._time_base = stream.time_base
        self._kind: tuple[str, int, str] | None = None
        self._graph: av.filter.Graph | None = None

    def convert(self, packet: Packet[AudioStream]) -> Iterator[Packet]:
        """Yield what ``packet`` completes; a packet that cannot be decoded becomes silence."""
        try:
            frames = packet.decode()
        except (av.FFmpegError, EOFError):
            return
        for frame in frames:
            kind = (frame.format.name, frame.sample_rate, frame.layout.name)
            if self._graph is None or kind != self._kind:
                # Only frames say what they are, and a broadcast may change it on the way.
                yield from self._flush()
                self._kind, self._graph = kind, self._make_graph(frame)
            yield from self._encode(self._graph, frame)

    def finish(self) -> Iterator[Packet]:
        """Yield what is left when the source has ended."""
        yield from self._flush()
        if self._graph is not None:
            yield from self.output.encode(None)

    def _make_graph(self, frame: AudioFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        chain = [
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base or self._time_base,
            ),
            graph.add("aresample", "async=1"),
            graph.add("aformat", self._target),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*chain).configure()
        return graph

    def _flush(self) -> Iterator[Packet]:
        if self._graph is not None:
            yield from self._encode(self._graph, None)

    def _encode(self, graph: av.filter.Graph, frame: AudioFrame | None) -> Iterator[Packet]:
        graph.push(frame)
        while (ready := _pull(graph)) is not None:
            yield from self.output.encode(ready)


def _pull(graph: av.filter.Graph) -> AudioFrame | None:
    try:
        frame = graph.pull()
    except (av.BlockingIOError, av.EOFError):
        return None
    assert isinstance(frame, AudioFrame)  # what a graph for sound makes
    return frame


def convert_subtitle(source: Path, container: str, index: int, encoder: str, folder: Path) -> Path:
    """Rewrite the text subtitle stream ``index`` of ``source`` and return a file in ``folder``.

    ``container``: the source's format, as ``open_input`` found it.
    """
    kind = "mp4" if encoder == "mov_text" else "matroska"
    result = folder / f"{index}.{kind}"
    stream = ffmpeg_graph.input("SOURCE", **input_options(container))[str(index)]
    output = stream.output("RESULT", **{"f": kind, "c:s": encoder, "copyts": None}).global_args(
        "-nostdin", "-hide_banner", "-v", "error", "-y"
    )
    command = ffmpeg.command_line(output, {"SOURCE": source, "RESULT": result})
    ffmpeg.run_ffmpeg(command, f"convert the subtitles of {source.name} to {encoder}")
    return result
