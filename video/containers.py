"""The kinds of file a video can be written to, and what each may carry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brushflow.common.errors import UsageError

_MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mjpeg"})
_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"})
_COVERS = {"mjpeg": "image/jpeg", "png": "image/png"}
_TEXT = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
_CONVERTIBLE = _TEXT | {"microdvd", "sami", "subviewer", "subviewer1", "mpl2", "jacosub", "stl"}


@dataclass(frozen=True)
class OutputKind:
    """One container: ffmpeg's name, the codecs that players find in it, and the replacements.

    Codec names are ffmpeg's canonical ones; ``video`` None means any that the muxer takes.
    """

    format: str
    video: frozenset[str] | None
    encoder: str
    audio: frozenset[str]
    audio_encoder: str
    subtitles: frozenset[str]
    subtitle_encoder: str
    attachments: bool = False

    @property
    def is_mov(self) -> bool:
        """Whether this is of the QuickTime family, with a clock of its own for every track."""
        return self.format in ("mp4", "mov")


_MP4 = OutputKind(
    "mp4", _MP4_VIDEO, "libx264", _MP4_AUDIO, "aac", frozenset({"mov_text"}), "mov_text"
)
_MOV = OutputKind(
    "mov",
    _MP4_VIDEO - {"vp9", "av1"} | {"prores", "dnxhd", "qtrle", "png", "rawvideo"},
    "libx264",
    _MP4_AUDIO - {"opus", "flac"} | _PCM,
    "aac",
    frozenset({"mov_text"}),
    "mov_text",
)
_MKV = OutputKind(
    "matroska",
    None,
    "libx264",
    _MP4_AUDIO | _PCM | {"vorbis", "dts", "truehd", "mp2", "wavpack", "tta", "mlp"},
    "aac",
    _TEXT - {"mov_text", "text"} | {"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"},
    "subrip",
    attachments=True,
)
_WEBM = OutputKind(
    "webm",
    frozenset({"vp8", "vp9", "av1"}),
    "libvpx-vp9",
    frozenset({"opus", "vorbis"}),
    "libopus",
    frozenset({"webvtt"}),
    "webvtt",
)
_KINDS = {".mp4": _MP4, ".m4v": _MP4, ".mov": _MOV, ".mkv": _MKV, ".webm": _WEBM}

_OF_ALPHA = {"mov": "prores_ks", "matroska": "libvpx-vp9"}

# Encoders whose name does not hold the name of what they make.
_MAKES = {
    **{"x264": "h264", "openh264": "h264", "x265": "hevc", "kvazaar": "hevc", "rav1e": "av1"},
    **{"vpx-vp9": "vp9", "vpx": "vp8", "xvid": "mpeg4"},
}


def output_kind(output: Path | str) -> OutputKind:
    """Return the container that the suffix of ``output`` names; UsageError for any other."""
    suffix = Path(output).suffix.lower()
    if suffix not in _KINDS:
        raise UsageError(
            f"{output} cannot be written: a video's name must end in {', '.join(sorted(_KINDS))}, "
            f".gif, .apng or .webp, or stand for images, as frames/%05d.png."
        )
    return _KINDS[suffix]


def default_codec(output: Path | str, alpha: bool = False) -> str:
    """Return the encoder to use for ``output`` when none was asked for.

    ``alpha``: one for what is transparent in parts, where the container takes any.
    """
    kind = output_kind(output)
    return _OF_ALPHA.get(kind.format, kind.encoder) if alpha else kind.encoder


def check_output(output: Path | str, codec: str) -> None:
    """Raise UsageError unless ``output`` is a kind of file that can hold what ``codec`` encodes.

    Meant for before the work: it costs nothing, and ``assemble`` would fail with the same words.
    """
    kind = output_kind(output)
    stem = codec.removeprefix("lib")
    made = _MAKES.get(stem) or stem.split("_")[0].removeprefix("svt").removeprefix("aom-")
    check_video_codec(output, kind, made)


def check_video_codec(output: Path | str, kind: OutputKind, codec: str) -> None:
    """Raise UsageError if video of this ``codec`` (canonical name) cannot go into ``output``."""
    if kind.video is not None and codec not in kind.video:
        raise UsageError(
            f"{output} cannot hold {codec} video; choose {kind.encoder} as the codec or write an "
            ".mkv file."
        )


def cover_mime(codec: str | None) -> str | None:
    """Return the MIME type of cover pictures of ``codec``, None if files hold no such covers."""
    return _COVERS.get(codec or "")


def can_convert_subtitle(codec: str | None) -> bool:
    """Whether subtitles of ``codec`` are text, which can be rewritten for any container."""
    return codec in _CONVERTIBLE
