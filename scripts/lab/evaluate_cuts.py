"""Command: how well changes of shot are found in clips that were joined in known ways."""

from brushflow.cli.start import run

from contextlib import closing
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from brushflow.cli.commands import aligned, set_up_logging
from brushflow.common.errors import UsageError
from brushflow.evaluation.cut_scores import KINDS, Score, join, score
from brushflow.shots.cuts import SCAN_WIDTH, CutDetector
from brushflow.video import VIDEO_SUFFIXES, open_source

_SIZE = (SCAN_WIDTH, SCAN_WIDTH * 9 // 16)
_LEAST, _MOST = 40, 120  # frames taken of a clip


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--without", multiple=True, help="Name of a clip to leave out, as it has cuts itself."
)
@click.option("--films", default=10, type=click.IntRange(1), help="How many films to join.")
@click.option("--seed", default=0, help="Another one draws other films.")
def command(folder: Path, without: tuple[str, ...], films: int, seed: int) -> None:
    """Join the clips in FOLDER and below it into films, and find their changes of shot.

    Every film takes a part of each clip, in an order drawn by chance; a third each of the joints
    are hard cuts, fades through black or white, and dissolves, of 8 to 32 frames.
    """
    set_up_logging()
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    paths = [path for path in paths if path.stem not in without]
    if len(paths) < 2:
        raise UsageError(f"{folder} holds fewer than two clips to join.")
    clips = [_read(path) for path in tqdm(paths, unit=" clips", disable=None)]
    total = Score()
    for film in range(seed, seed + films):
        random = np.random.default_rng(film)
        parts = [_part(clips[i], random) for i in random.permutation(len(clips))]
        frames, true = join(parts, film)
        detector = CutDetector()
        for frame in frames:
            detector.add(frame)
        total += score(detector.transitions(), true)
    rows = [["", "true", "precision", "recall", "F1"]]
    for kind in (*KINDS, None):
        count = sum(total.hits[k] + total.missed[k] for k in (KINDS if kind is None else (kind,)))
        numbers = (total.precision(kind), total.recall(kind), total.f1(kind))
        rows.append([kind or "all", str(count), *(f"{number:.3f}" for number in numbers)])
    click.echo(aligned(rows))


def _read(path: Path) -> np.ndarray:
    with closing(open_source(path).read(size=_SIZE, gray=True)) as frames:
        return np.stack([frame.pixels for frame in frames])


def _part(clip: np.ndarray, random: np.random.Generator) -> np.ndarray:
    length = min(len(clip), int(random.integers(_LEAST, _MOST)))
    begin = int(random.integers(0, len(clip) - length + 1))
    return clip[begin : begin + length]


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
