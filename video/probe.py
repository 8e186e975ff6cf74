"""Looking at a video file: sizes, clock, colour and what is odd about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video.color import OWN_MATRICES, ColorTags, output_color, resolve_color
from brushflow.video.cropping import NO_BORDERS, Borders, read_borders
from brushflow.video.opening import open_input
from brushflow.video.sphere import Sphere, read_sphere
from brushflow.video.stored import orientation_of
from brushflow.video.tracks import main_video

# A damaged start may hold no whole picture; this many packets are tried.
_PROBED_PACKETS = 300


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video (or a set of images) before its frames are read.

    ``width`` and ``height`` are in stored pixels, in display orientation: ``rotation`` (degrees
    clockwise that a player turns the stored picture by) is already applied to them, to ``borders``
    (which are not shown, and not counted) and to ``sample_aspect_ratio`` (the width of a pixel over
    its height). ``time_base`` is the length of one tick of a pts in seconds; ``duration`` (seconds)
    may be unknown.
    ``has_alpha``: pictures may have transparent parts; ``begins_opaque``: the first has none.
    ``sphere``: what the file says of spherical frames, None if nothing.
    """

    path: Path
    width: int
    height: int
    time_base: Fraction
    color: ColorTags
    codec: str
    pix_fmt: str
    container: str
    bit_depth: int = 8
    rotation: int = 0
    borders: Borders = NO_BORDERS
    sample_aspect_ratio: Fraction = Fraction(1)
    frame_rate: Fraction | None = None
    duration: float | None = None
    frame_count: int | None = None
    stream_index: int = 0
    interlaced: bool = False
    has_alpha: bool = False
    begins_opaque: bool = False
    sphere: Sphere | None = None

    @property
    def hdr(self) -> bool:
        """Whether the source is HDR; its frames are then tone-mapped to SDR when read."""
        return self.color.hdr

    @property
    def output_color(self) -> ColorTags:
        """The colour to encode frames of this source in."""
        return output_color(self.color, self.width, self.height)

    @property
    def expected_frames(self) -> int | None:
        """An estimate of the number of frames for progress displays, or None."""
        if self.frame_count:
            return self.frame_count
        if self.duration and self.frame_rate:
            return max(1, round(self.duration * self.frame_rate))
        return None


def check_readable(path: Path) -> None:
    """Raise UsageError with a sentence unless ``path`` is a file that can be opened."""
    if not path.exists():
        raise UsageError(f"There is no file {path}; check the name.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder where a video file is needed.")
    if not path.is_file():
        raise UsageError(f"{path} is no file but a device or a pipe; save it to a file first.")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise BrushflowError(f"{path} cannot be read: {error.strerror}.") from error
    if path.stat().st_size == 0:
        raise BrushflowError(f"{path} is empty, so there is no video in it.")


def probe(path: Path | str) -> VideoInfo:
    """Describe the video stream of ``path`` that players show, see ``tracks.main_video``.

    Raises UsageError if there is no such file and BrushflowError if it is no video, holds no video
    stream, or a stream that cannot be decoded.
    """
    path = Path(path)
    check_readable(path)
    try:
        container = open_input(path)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise BrushflowError(
            f"{path} is not a video that ffmpeg can read; it may be damaged or of another kind."
        ) from error
    with container:
        stream = _main_stream(container, path)
        frame = _first_frame(container, stream)
        return _describe(path, container, stream, frame)


def _main_stream(container: av.container.InputContainer, path: Path) -> VideoStream:
    stream = main_video(container, path)
    if stream is None:
        raise BrushflowError(f"{path} holds no video stream, so there is nothing to stylize.")
    if stream.codec_context is None:
        raise BrushflowError(
            f"The video in {path} is in a format that this ffmpeg has no decoder for; "
            "convert the file first."
        )
    return stream


def _first_frame(container: av.container.InputContainer, stream: VideoStream) -> VideoFrame | None:
    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    for _ in range(_PROBED_PACKETS):
        try:
            packet = next(packets, None)
            if packet is None:
                break
            frames = packet.decode()
        except (av.FFmpegError, EOFError):
            continue
        if frames:
            return frames[0]
    return None


def _describe(
    path: Path,
    container: av.container.InputContainer,
    stream: VideoStream,
    frame: VideoFrame | None,
) -> VideoInfo:
    context = stream.codec_context
    width, height = (
        (frame.width, frame.height) if frame is not None else (context.width, context.height)
    )
    pixel = frame.format if frame is not None else context.format
    if width < 1 or height < 1 or pixel is None or context.pix_fmt is None:
        raise BrushflowError(f"No frame of {path} can be decoded; the file is damaged.")
    time_base = stream.time_base or Fraction(1, 90000)
    matrix = context.colorspace or 2
    if matrix == 2:  # unspecified
        matrix = OWN_MATRICES.get(context.codec.canonical_name, matrix)
    borders = read_borders(path, container, stream, (width, height))
    inside = borders.inside(width, height)
    info = VideoInfo(
        path=path,
        width=inside[0],
        height=inside[1],
        time_base=time_base,
        color=resolve_color(
            # Some tag YUV as RGB, which says nothing.
            0 if pixel.is_rgb else matrix,
            context.color_primaries,
            context.color_trc,
            context.color_range == 2 or pixel.name.startswith("yuvj") or pixel.is_rgb,
            width,
            height,
        ),
        codec=context.codec.canonical_name,
        pix_fmt=pixel.name,
        container=container.format.name,
        bit_depth=max(component.bits for component in pixel.components),
        sample_aspect_ratio=_sane_ratio(stream.sample_aspect_ratio),
        frame_rate=_sane_rate(stream.average_rate or stream.guessed_rate),
        duration=_duration(container, stream),
        frame_count=stream.frames or None,
        stream_index=stream.index,
        interlaced=_fields_of(context) or (frame is not None and frame.interlaced_frame),
        has_alpha=any(component.is_alpha for component in pixel.components)
        or transparent(stream.metadata),
        begins_opaque=frame is not None and _is_opaque(frame),
        sphere=read_sphere(path, container.format.name),
    )
    turn = -frame.rotation % 360 if frame is not None else 0
    if turn in (90, 270):
        ratio = 1 / info.sample_aspect_ratio
        info = replace(info, width=inside[1], height=inside[0], sample_aspect_ratio=ratio)
    if frame is not None:
        borders = borders.upright(orientation_of(frame))
    return replace(info, rotation=turn, borders=borders)


def _fields_of(context: av.VideoCodecContext) -> bool:
    """Whether the stream says that it has fields; PyAV tells from version 18 on."""
    return getattr(context, "field_order", 0) > 1


def transparent(tags: Mapping[str, str]) -> bool:
    """Whether a track's tags say that there is a second picture beside each, its alpha (WebM)."""
    return any(key.lower() == "alpha_mode" and value == "1" for key, value in tags.items())


def _is_opaque(frame: VideoFrame) -> bool:
    """Whether a picture with an alpha channel hides all that is behind it."""
    pixel = frame.format
    if not any(component.is_alpha for component in pixel.components):
        return False
    deep = max(component.bits for component in pixel.components) > 8
    alpha = frame.to_ndarray(format="rgba64le" if deep else "rgba")[..., 3]
    return bool(alpha.min() == (65535 if deep else 255))


def _sane_ratio(ratio: Fraction | None) -> Fraction:
    return ratio if ratio is not None and ratio > 0 else Fraction(1)


def _sane_rate(rate: Fraction | None) -> Fraction | None:
    return rate if rate is not None and rate > 0 else None


def _duration(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None
