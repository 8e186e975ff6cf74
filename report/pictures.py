"""What the report shows: small videos that every browser plays, strips of moments, heat maps."""

import base64
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from brushflow.common.sizes import fit_size
from brushflow.evaluation.video_pairs import Inputs
from brushflow.flow.types import Frame
from brushflow.video import EncodeSettings, SegmentWriter, assemble

CLIP_SIDE = 640
CLIP_SECONDS = 20
MOMENTS = 6
STRIP_HEIGHT = 150
_SETTINGS = EncodeSettings(crf=26, preset="superfast")


@dataclass(frozen=True)
class Shown:
    """Data URIs of one video: an H.264 .mp4 (None without videos) and JPEGs of moments in a row."""

    clip: str | None
    strip: str


def show(
    inputs: Inputs, frames: int, frame_rate: Fraction, with_clips: bool = True
) -> tuple[list[Shown], np.ndarray]:
    """Read all videos once more, small, and make what the page embeds.

    The clips hold the first ``CLIP_SECONDS`` at a constant frame rate, so that frame k is at the
    same time in each. Returns what is shown of each video, and the source's middle frame, RGB.
    """
    width, height = clip_size(*inputs.size)
    moments = sorted({round((i + 0.5) * frames / MOMENTS - 0.5) for i in range(MOMENTS)})
    limit = max(2, round(CLIP_SECONDS * frame_rate))
    strips: list[list[np.ndarray]] = [[] for _ in inputs.all]
    middle: Frame = np.zeros((height, width, 3), np.uint8)
    with tempfile.TemporaryDirectory() as place, ExitStack() as writing:
        segments = [Path(place, f"{i}.mkv") for i in range(len(strips))] if with_clips else []
        writers = [
            writing.enter_context(SegmentWriter(path, width, height, _SETTINGS, frame_rate))
            for path in segments
        ]
        for index, pictures in enumerate(inputs.read((width, height))):
            if index == frames // 2:
                middle = pictures[0]
            if index in moments:
                for strip, picture in zip(strips, pictures, strict=True):
                    strip.append(_resized(picture, STRIP_HEIGHT))
            if index < limit:
                for writer, picture in zip(writers, pictures, strict=False):
                    writer.write(picture)
        writing.close()
        clips: list[str | None] = [
            _as_mp4(path, min(frames, limit), frame_rate) for path in segments
        ]
    shown = [
        Shown(clip, jpeg_uri(np.hstack(strip)))
        for clip, strip in zip(clips or [None] * len(strips), strips, strict=True)
    ]
    return shown, middle


def clip_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the small videos: even, because 4:2:0 is all that every browser plays."""
    small = fit_size((width, height), CLIP_SIDE)
    return max(2, small[0] // 2 * 2), max(2, small[1] // 2 * 2)


def _as_mp4(segment: Path, frames: int, frame_rate: Fraction) -> str:
    output = segment.with_suffix(".mp4")
    assemble([segment], range(frames), 1 / frame_rate, output)
    return data_uri("video/mp4", output.read_bytes())


def heat_scale(maps: Sequence[NDArray[np.float32]]) -> float:
    """The value that all maps' brightest colour stands for: what 99.5 % of all pixels are below."""
    return max(1e-6, *(float(np.percentile(each, 99.5)) for each in maps))


def heat_picture(heat: NDArray[np.float32], top: float, below: np.ndarray) -> np.ndarray:
    """A map from black (0) over red to pale yellow (``top``), RGB uint8 of the size of ``below``.

    ``below``: RGB, a frame that is faintly visible, to see where in the picture something is.
    """
    height, width = below.shape[:2]
    small = cv2.resize(heat, (width, height), interpolation=cv2.INTER_AREA)
    # The root spreads what is weak; the legend is drawn with the same function.
    levels = np.sqrt(np.clip(small / top, 0, 1)) * 255
    colors = cv2.applyColorMap(levels.astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    gray = cv2.cvtColor(below, cv2.COLOR_RGB2GRAY)[..., None]
    return np.clip(colors + 0.18 * gray * (1 - levels[..., None] / 255), 0, 255).astype(np.uint8)


def heat_legend() -> np.ndarray:
    """A bar of the map's colours from 0 to the top, RGB uint8 (12, 240, 3)."""
    ramp = np.tile(np.linspace(0, 1, 240, dtype=np.float32), (12, 1))
    return heat_picture(ramp, 1.0, np.zeros((12, 240, 3), np.uint8))


def jpeg_uri(picture: np.ndarray, quality: int = 85) -> str:
    """An RGB picture as a data URI."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data_uri("image/jpeg", data.tobytes())


def data_uri(kind: str, data: bytes) -> str:
    """Bytes of a media type as a URI that a page can hold."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _resized(picture: np.ndarray, height: int) -> np.ndarray:
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
