"""Command: what every film has besides pictures, painted: fades, titles, bars, bright walls, cuts.

Makes small clips of scikit-image's pictures, paints them, and prints what the paintings have kept.
"""

from brushflow.cli.start import run

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import click
import cv2
import numpy as np
import torch
from skimage import data

from brushflow.cli.commands import set_up_logging
from brushflow.evaluation.faithfulness import light_order
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.spherical.seams import SeamMeasure
from brushflow.video import EncodeSettings, SegmentWriter, assemble, open_source, write_image

WIDTH, HEIGHT, RATE = 256, 144, 25
_FRAMES = 40
_LONG = 24  # frames of a fade
_GREY = np.array([0.299, 0.587, 0.114], np.float32)

Frames = list[np.ndarray]
# What is measured of the source's frames and the painting's: a sentence.
Measure = Callable[[Frames, Frames], str]


@dataclass(frozen=True)
class Case:
    """A clip of ``frames`` RGB uint8 (H, W, 3), and what is measured of its painting."""

    frames: Frames
    measure: Measure
    spherical: str = "off"


def pan(name: str, count: int = _FRAMES, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Frames:
    """A camera that moves over one of scikit-image's pictures, a pixel a frame."""
    picture = cv2.resize(getattr(data, name)(), (512, 340), interpolation=cv2.INTER_AREA)
    if picture.ndim == 2:
        picture = np.dstack([picture] * 3)
    width, height = size
    return [picture[60 : 60 + height, 80 + i : 80 + i + width].copy() for i in range(count)]


def faded(frames: Frames, gains: Iterable[float], colour: tuple[int, int, int]) -> Frames:
    """Frames times a gain, and the rest of the colour."""
    flat = np.array(colour, np.float32)
    return [
        np.rint(frame * np.float32(gain) + flat * np.float32(1 - gain)).astype(np.uint8)
        for frame, gain in zip(frames, gains, strict=True)
    ]


def _fades() -> dict[str, Case]:
    out = np.clip((_FRAMES - 3 - np.arange(_FRAMES)) / _LONG, 0, 1)
    smooth = out * out * (3 - 2 * out)
    black, white, red = (0, 0, 0), (255, 255, 255), (120, 10, 20)
    cross = faded(pan("coffee"), out, black)
    other = faded(pan("chelsea"), 1 - out, black)
    plain = {
        "out": (out, black, "coffee"),
        "in": (out[::-1], black, "chelsea"),
        "to white": (out, white, "astronaut"),
        "to red, smooth": (smooth, red, "chelsea"),
        "in from white": (out[::-1], white, "coffee"),
    }
    cases = {
        f"fade {name}": Case(faded(pan(picture), gains, colour), _course(gains, colour))
        for name, (gains, colour, picture) in plain.items()
    }
    mixed = [cv2.add(a, b) for a, b in zip(cross, other, strict=True)]
    cases["fade cross"] = Case(mixed, _luminance_kept)
    return cases


def _course(gains: Iterable[float], colour: tuple[int, int, int]) -> Measure:
    """How far the painting's share of full light is from the source's, at worst."""
    true = np.array(list(gains))
    end = float(np.array(colour) @ _GREY)

    def measure(source: Frames, painting: Frames) -> str:
        full = true == 1
        worst = [
            np.abs((light - end) / (light[full].mean() - end) - true)
            for light in (_lights(source), _lights(painting))
        ]
        # A picture that moves has a course of its own.
        return (
            f"worst error of light {worst[1].max():.3f} of full light (source {worst[0].max():.3f})"
        )

    return measure


def _luminance_kept(source: Frames, painting: Frames) -> str:
    lights, painted = _lights(source), _lights(painting)
    step = np.abs(np.diff(painted)).max() / max(np.abs(np.diff(lights)).max(), 1)
    changes, theirs = _changes(painting), _changes(source)
    return (
        f"largest step of light {step:.2f} of the source's, "
        f"largest change {changes.max() / theirs.max():.2f} of the source's"
    )


def _changes(frames: Frames) -> np.ndarray:
    """Mean absolute difference of each frame and the one before it, in grey levels."""
    return np.array([cv2.absdiff(a, b).mean() for a, b in itertools.pairwise(frames)])


def _titles() -> dict[str, Case]:
    cards = {
        "white on black": ((0, 0, 0), (240, 240, 240), 1.0),
        "grey on black, small": ((0, 0, 0), (170, 170, 170), 0.6),
        "black on white": ((250, 250, 250), (10, 10, 10), 1.0),
        "yellow on blue": ((20, 30, 110), (240, 220, 60), 1.4),
    }
    return {f"title {name}": Case(_card(*colours), _letters) for name, colours in cards.items()}


def _card(ground: Sequence[int], ink: Sequence[int], scale: float) -> Frames:
    """Words that appear on a plain ground after eight frames."""
    empty = np.full((HEIGHT, WIDTH, 3), ground, np.uint8)
    card = empty.copy()
    for row, words in enumerate(("THE MOVING", "PAINTING", "chapter one")):
        place = (20, round(45 + 36 * row))
        cv2.putText(card, words, place, cv2.FONT_HERSHEY_DUPLEX, scale, ink, 1, cv2.LINE_AA)
    return [empty] * 8 + [card] * 12


def _letters(source: Frames, painting: Frames) -> str:
    lights, painted = _lights(source), _lights(painting)
    at = int(np.abs(np.diff(lights)).argmax())
    jump = abs(painted[at + 1] - painted[at]) / abs(lights[at + 1] - lights[at])
    a, b = (
        cv2.cvtColor(clip[-1], cv2.COLOR_RGB2GRAY).astype(np.float32) for clip in (source, painting)
    )
    likeness = float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    ground = float(np.abs(painting[2].astype(int) - source[2]).mean())
    return (
        f"jump {jump:.2f} of the source's, letters {likeness:.2f}, empty card off by {ground:.1f}"
    )


def _letterboxed() -> dict[str, Case]:
    wide = pan("coffee", 16, (WIDTH, 108))
    boxed = [cv2.copyMakeBorder(frame, 18, 18, 0, 0, cv2.BORDER_CONSTANT) for frame in wide]
    subtitled = [frame.copy() for frame in boxed]
    for frame in subtitled[5:]:
        cv2.putText(frame, "Good evening.", (70, 138), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230,) * 3, 1)
    pillars = [
        cv2.copyMakeBorder(frame, 0, 0, 33, 31, cv2.BORDER_CONSTANT)
        for frame in pan("astronaut", 16, (WIDTH - 64, HEIGHT))
    ]
    return {
        "letterbox": Case(boxed, _bars(18, 18, 0, 0)),
        "letterbox with subtitle": Case(subtitled, _bars(18, 18, 0, 0)),
        "pillarbox": Case(pillars, _bars(0, 0, 33, 31)),
    }


def _bars(top: int, bottom: int, left: int, right: int) -> Measure:
    def measure(source: Frames, painting: Frames) -> str:
        outside = np.ones(source[0].shape[:2], bool)
        outside[top : HEIGHT - bottom, left : WIDTH - right] = False
        error = np.mean([
            np.abs(a.astype(int) - b)[outside].mean()
            for a, b in zip(source, painting, strict=True)
        ])  # fmt: skip
        return f"bars off by {error:.1f} grey levels"

    return measure


def _bright() -> dict[str, Case]:
    wall = [
        np.clip(frame * np.float32(0.5) + 150, 0, 255).astype(np.uint8)
        for frame in pan("coffee", 12)
    ]
    shot = [
        np.clip(frame * np.float32(2.2), 0, 255).astype(np.uint8) for frame in pan("chelsea", 12)
    ]
    return {"bright, pale": Case(wall, _light), "bright, clipped": Case(shot, _light)}


def _light(source: Frames, painting: Frames) -> str:
    a, b = source[-1], painting[-1]
    bright = (a @ _GREY) > np.percentile(a @ _GREY, 70)
    return (
        f"light {(b @ _GREY).mean():.0f} for {(a @ _GREY).mean():.0f}, of the brightest third "
        f"{(b @ _GREY)[bright].mean():.0f} for {(a @ _GREY)[bright].mean():.0f}, "
        f"order {light_order(b, a):.2f}"
    )


def _spheres() -> dict[str, Case]:
    width, height = 384, 192
    turn = np.linspace(0, 2 * np.pi, width, endpoint=False)
    mirrored = np.abs(turn / np.pi - 1)  # the scene closes upon itself
    cases = {}
    for name, ground in (("coffee", 120), ("astronaut", 60), ("chelsea", 200)):
        picture = getattr(data, name)()
        x = (mirrored * (picture.shape[1] - 1)).astype(np.float32)
        y = np.linspace(0, picture.shape[0] - 1, height // 2, dtype=np.float32)
        across, down = np.meshgrid(x, y)
        scene = cv2.remap(picture, across, down, cv2.INTER_AREA)
        sphere = np.full((height, width, 3), ground, np.uint8)
        rows = slice(height // 6, height // 6 + height // 2)
        sphere[: rows.start] = scene[:1]
        sphere[rows] = scene
        sphere[rows.stop :] = ground
        sphere[: rows.start] = cv2.blur(sphere, (61, 1))[: rows.start]
        cases[f"sphere {name}"] = Case([sphere] * 2, _seams, "equirect")
    return cases


def _seams(source: Frames, painting: Frames) -> str:
    height, width = source[0].shape[:2]
    measure = SeamMeasure(width, height)
    a, b = (
        measure(torch.from_numpy(clip[-1].astype(np.float32)).permute(2, 0, 1)[None]).steps
        for clip in (source, painting)
    )
    return f"steps at faces' edges {b:.2f} (source {a:.2f})"


def _still() -> dict[str, Case]:
    random = np.random.default_rng(0)
    (first,), (second,) = pan("coffee", 1), pan("chelsea", 1)
    clean = [first] * 6 + [second] * 30
    noisy = [np.clip(f + random.normal(0, 2, f.shape), 0, 255).astype(np.uint8) for f in clean]
    return {"still after a cut": Case(noisy, _settled)}


def _settled(source: Frames, painting: Frames) -> str:
    own, theirs = _changes(painting)[6:], _changes(source)[6:]
    return (
        f"changes after the cut {own[0]:.2f}, {own[1]:.2f}, at most {own[2:].max():.2f}, "
        f"of the source {theirs.mean():.2f}"
    )


def _lights(frames: Frames) -> np.ndarray:
    return np.array([float((frame @ _GREY).mean()) for frame in frames])


def _write(path: Path, frames: Frames) -> None:
    height, width = frames[0].shape[:2]
    part = path.with_suffix(".mkv")
    with SegmentWriter(part, width, height, EncodeSettings(crf=14), Fraction(RATE)) as writer:
        for frame in frames:
            writer.write(frame)
    assemble([part], range(len(frames)), Fraction(1, RATE), path)
    part.unlink()


def _read(path: Path) -> Frames:
    return [frame.pixels for frame in open_source(path).read()]


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--style", default="starry-night", help="A bundled style or a file.")
@click.option("--only", default="", metavar="TEXT", help="Cases with this in their name.")
def command(folder: Path, style: str, only: str) -> None:
    """Make clips in FOLDER, paint them there, print what is kept; a picture for each case."""
    set_up_logging()
    folder.mkdir(parents=True, exist_ok=True)
    cases = _fades() | _titles() | _letterboxed() | _bright() | _still() | _spheres()
    rows = []
    for name, case in cases.items():
        if only not in name:
            continue
        stem = name.replace(" ", "-").replace(",", "")
        source, output = folder / f"{stem}.mp4", folder / f"{stem}.{style}.mp4"
        _write(source, case.frames)
        stylize_video(
            source, output, StylizeOptions(style=style, spherical=case.spherical, restart=True)
        )
        before, after = _read(source), _read(output)
        rows.append([name, case.measure(before, after)])
        click.echo(": ".join(rows[-1]))
        places = np.linspace(0, len(before) - 1, min(8, len(before))).round().astype(int)
        sheet = [np.vstack([before[place], after[place]]) for place in places]
        write_image(folder / f"{stem}.{style}.png", np.hstack(sheet), replace=True)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
