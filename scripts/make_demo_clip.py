"""Command: render a short film from the pictures that scikit-image ships.

Three shots with hard cuts: a flight over a table, a moving camera with true parallax (a stereo
pair and its disparity), and a portrait; with a sound track.
"""

from brushflow.cli.start import run

import tempfile
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import click
import cv2
import numpy as np
from skimage import data

from brushflow.cli.commands import set_up_logging
from brushflow.video import EncodeSettings, SegmentWriter, assemble

WIDTH, HEIGHT = 640, 360
FRAME_RATE = 20
SHOT_FRAMES = 36
SAMPLE_RATE = 44100


def flight(picture: np.ndarray, start: tuple[float, ...], end: tuple[float, ...]) -> Iterator:
    """A camera that moves over a picture: from (x, y, width, degrees) to another, in its pixels."""
    for t in np.linspace(0, 1, SHOT_FRAMES):
        ease = t * t * (3 - 2 * t)
        x, y, width, angle = (a + (b - a) * ease for a, b in zip(start, end, strict=True))
        matrix = cv2.getRotationMatrix2D((x, y), angle, WIDTH / width)
        matrix[:, 2] += np.array([WIDTH / 2 - x, HEIGHT / 2 - y])
        yield cv2.warpAffine(
            picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )


def parallax() -> Iterator[np.ndarray]:
    """A camera that moves sideways past a motorcycle: views between the two of a stereo pair."""
    left, right, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity)
    # Unknown disparity is mostly background seen by one camera only.
    background = np.percentile(disparity[known], 10)
    disparity = np.where(known, disparity, background).astype(np.float32)
    disparity = cv2.medianBlur(disparity, 5)
    for t in np.linspace(0, 1, SHOT_FRAMES):
        view = _view_between(left, right, disparity, float(t))
        height, width = view.shape[:2]
        margin = 60  # what neither camera saw lies at the sides
        crop_h = (width - 2 * margin) * HEIGHT // WIDTH
        top = (height - crop_h) // 2
        yield cv2.resize(
            view[top : top + crop_h, margin : width - margin],
            (WIDTH, HEIGHT),
            interpolation=cv2.INTER_CUBIC,
        )


def _view_between(
    left: np.ndarray, right: np.ndarray, disparity: np.ndarray, t: float
) -> np.ndarray:
    """The view at fraction ``t`` of the way from the left camera to the right one."""
    height, width = disparity.shape
    rows, columns = np.mgrid[0:height, 0:width]
    target = np.rint(columns - t * disparity).astype(int)
    inside = (target >= 0) & (target < width)
    seen = np.zeros((height, width), np.float32)
    # Near surfaces hide far ones: the largest disparity wins.
    np.maximum.at(seen, (rows[inside], target[inside]), disparity[inside])
    holes = (seen == 0).astype(np.uint8)
    from_left = holes == 0
    # Cracks inside a surface, a pixel or so wide, belong to it; what is left is background.
    closed = cv2.medianBlur(seen, 5)
    seen = np.where(from_left, seen, closed)
    seen = np.where(seen == 0, cv2.erode(np.where(seen == 0, np.inf, seen), np.ones((1, 61))), seen)
    seen = np.where(np.isfinite(seen), seen, disparity.min()).astype(np.float32)
    x, y = columns.astype(np.float32), rows.astype(np.float32)
    one = cv2.remap(left, x + t * seen, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    two = cv2.remap(right, x - (1 - t) * seen, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # Where the left camera saw nothing, the right one did.
    share = cv2.blur((1 - t) * from_left.astype(np.float32), (5, 5))[..., None]
    return (one * share + two * (1 - share)).astype(np.uint8)


def melody(path: Path, seconds: float) -> None:
    """A quiet arpeggio, one chord per shot."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros_like(t)
    chords = [(220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7)]
    step = 0.3
    for n in range(int(seconds / step)):
        chord = chords[min(2, int(n * step / seconds * 3))]
        since = t - n * step
        envelope = np.where(since >= 0, np.exp(-3 * np.clip(since, 0, None)), 0)
        sound += 0.2 * envelope * np.sin(2 * np.pi * chord[n % 3] * since)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32000).astype("<i2").tobytes())


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
def command(output: Path) -> None:
    """Render the sample film into OUTPUT, an .mp4 file."""
    set_up_logging()
    shots = (
        flight(data.coffee(), (200, 150, 300, 0), (380, 260, 420, -8)),
        parallax(),
        flight(data.astronaut(), (300, 200, 480, 0), (220, 130, 300, 4)),
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        frames = 0
        segments = []
        for number, shot in enumerate(shots):
            segment = folder / f"{number}.mkv"
            with SegmentWriter(
                segment, WIDTH, HEIGHT, EncodeSettings(crf=14), Fraction(FRAME_RATE)
            ) as writer:
                for frame in shot:
                    writer.write(frame)
                    frames += 1
            segments.append(segment)
        melody(folder / "sound.wav", frames / FRAME_RATE)
        assemble(segments, range(frames), Fraction(1, FRAME_RATE), output, folder / "sound.wav")
    click.echo(f"Wrote {output}: {frames} frames in {len(shots)} shots.")


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
