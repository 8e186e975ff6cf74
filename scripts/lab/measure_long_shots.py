"""Command: what long and still shots show: drift and strokes that fade over many frames, and
restlessness where nothing moves."""

from brushflow.cli.start import run

from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice
from pathlib import Path

import click
import numpy as np

from brushflow.cli.commands import set_up_logging
from brushflow.evaluation.drift import appearance
from brushflow.evaluation.texture import flat_windows, stroke_contrast
from brushflow.models import available, load
from brushflow.pipeline import Stylizer
from brushflow.pipeline.finishing import finish
from brushflow.pipeline.long_term import LONG_TERM
from brushflow.video import open_source

_TURN = 50  # frames of the clip at most, that are played to and fro
_EVERY = 10  # frames of the last turn whose strokes are looked at
_SETTLED = 2  # frames after which a still shot is to be still


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("clip", type=click.Path(path_type=Path))
@click.option("--styles", multiple=True, help="Names or files; all bundled ones without it.")
@click.option("--frames", default=1000, type=click.IntRange(1), help="Of the long shot, about.")
@click.option("--still", default=30, type=click.IntRange(4), help="Frames of the still shot.")
@click.option("--noise", default=2.0, help="Deviation of its noise, in grey levels.")
@click.option("--side", default=240, type=click.IntRange(32), help="Pixels of the shorter side.")
@click.option("--long-term", default=LONG_TERM, help="As of stylize_video.py.")
def command(
    clip: Path,
    styles: tuple[str, ...],
    frames: int,
    still: int,
    noise: float,
    side: int,
    long_term: float,
) -> None:
    """Paint CLIP played to and fro, and its first frame as a still shot with a camera's noise.

    Prints how luminance and contrast of the painting differ when the same frames (at most 50, to
    and fro) come for the last time from when they came for the second time; the contrast of strokes
    where the source is flat, when they come for the last time, divided by that of the same frames
    painted alone; and the mean change from frame to frame of the still shot's painting, from the
    third frame on, divided by the source's.
    """
    set_up_logging(quiet=True)
    source = open_source(clip)
    scale = side / min(source.info.width, source.info.height)
    size = tuple(2 * round(s * scale / 2) for s in (source.info.width, source.info.height))
    pictures = [frame.pixels for frame in islice(source.read(size=(size[0], size[1])), _TURN)]
    turn = 2 * len(pictures)
    turns = max(3, round(frames / turn))
    random = np.random.default_rng(0)
    shot = [_noisy(pictures[0], noise, random) for _ in range(still)]
    for style in styles or available():
        stylizer = Stylizer(load(style), long_term=long_term)
        alone = Stylizer(load(style), independent=True)
        shots = islice(_to_and_fro(pictures), turns * turn)
        painted, kept, fresh = [], [], []
        for number, stylized in enumerate(stylizer.stylize(shots)):
            result = finish(stylized)
            painted.append(appearance(result))
            if number >= (turns - 1) * turn and number % _EVERY == 0:
                flat = flat_windows(stylized.frame)
                (other,) = alone.stylize([stylized.frame])
                kept.append(stroke_contrast(result, flat))
                fresh.append(stroke_contrast(finish(other), flat))
        drifts = [
            _change_percent([getattr(each, name) for each in painted], turn)
            for name in ("luminance", "contrast")
        ]
        results = [finish(stylized) for stylized in stylizer.stylize(shot)]
        restless = _change(results) / _change(shot)
        strokes = np.nanmean(kept) / np.nanmean(fresh)
        click.echo(
            f"{style}: luminance {drifts[0]:+.2f} %, contrast {drifts[1]:+.2f} % over "
            f"{len(painted)} frames; strokes {strokes:.2f} times those of frames alone; still shot "
            f"{restless:.2f} times the source's change"
        )


def _to_and_fro(pictures: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Forwards, backwards and so on, without a cut."""
    return cycle(chain(pictures, reversed(pictures)))


def _change_percent(values: Sequence[float], turn: int) -> float:
    """The mean of the last turn against that of the second one; the first is for settling."""
    return float(100 * (np.mean(values[-turn:]) / np.mean(values[turn : 2 * turn]) - 1))


def _noisy(picture: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    noisy = picture + random.normal(0, deviation, picture.shape)
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def _change(frames: Sequence[np.ndarray]) -> float:
    """Mean absolute difference of neighbours, once the shot has settled."""
    pairs = list(zip(frames[_SETTLED:], frames[_SETTLED + 1 :], strict=False))
    return float(np.mean([np.abs(b.astype(np.int16) - a).mean() for a, b in pairs]))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
