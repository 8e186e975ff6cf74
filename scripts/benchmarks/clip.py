"""The video that whole runs are timed on."""

import tempfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from brushflow.video import EncodeSettings, SegmentWriter, assemble

FRAME_RATE = 25


def moving_picture(path: Path, width: int, height: int, frames: int) -> Path:
    """A video of this size: a camera that circles over a photograph, zooming in and out."""
    picture = data.astronaut()
    with tempfile.TemporaryDirectory() as place:
        segment = Path(place) / "segment.mkv"
        settings = EncodeSettings(preset="ultrafast")
        with SegmentWriter(segment, width, height, settings, Fraction(FRAME_RATE)) as writer:
            for t in np.arange(frames) * (2 * np.pi / 120):
                scale = width / (300 + 40 * np.sin(t))
                matrix = cv2.getRotationMatrix2D(
                    (256 + 60 * np.cos(t), 240 + 60 * np.sin(t)), 5 * np.sin(t), scale
                )
                matrix[:, 2] += np.array([width / 2, height / 2]) - (
                    256 + 60 * np.cos(t),
                    240 + 60 * np.sin(t),
                )
                writer.write(
                    cv2.warpAffine(
                        picture,
                        matrix,
                        (width, height),
                        flags=cv2.INTER_CUBIC,
                        borderMode=cv2.BORDER_REFLECT,
                    )
                )
        assemble([segment], range(frames), Fraction(1, FRAME_RATE), path)
    return path
