"""Command: strokes at any size against painting every size as it is (--stroke 1)."""

from brushflow.cli.start import run

from collections.abc import Sequence
from itertools import combinations, islice, pairwise
from pathlib import Path

import click
import numpy as np

from brushflow.cli.commands import set_up_logging
from brushflow.common.sizes import resized
from brushflow.evaluation.faithfulness import edge_map, edge_similarity
from brushflow.evaluation.lpips import Lpips
from brushflow.evaluation.pair_motion import PairMotion, estimated_motion
from brushflow.flow import load_estimator
from brushflow.models import available
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.painter import Painter
from brushflow.video import open_source, write_image

HEIGHTS = (360, 720, 1080, 2160)
_AT = 1080  # lines, of the numbers of one size
_PATH = click.Path(path_type=Path)


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("clip", type=_PATH)
@click.option("--styles", multiple=True, help="Names or files; all bundled ones without it.")
@click.option("--frames", default=6, type=click.IntRange(2), help="Of the clip, at 1080 lines.")
@click.option("--squeeze", nargs=2, type=_PATH, help="SqueezeNet's and LPIPS's linear weights.")
@click.option("--flow", default="dis", help="Estimator on the source.")
@click.option("--flow-weights", type=_PATH, help="A file with them.")
@click.option("-o", "--output", type=_PATH, help="Folder for the pictures at every size.")
def command(
    clip: Path,
    styles: tuple[str, ...],
    frames: int,
    squeeze: tuple[Path, Path] | None,
    flow: str,
    flow_weights: Path | None,
    output: Path | None,
) -> None:
    """Paint CLIP, best of 2160 lines or more, with --stroke auto and --stroke 1.

    Prints for each style, auto and 1: at 1080 lines the similarity of edges to the source's (SSIM)
    and E_warp (times 1000) at full size; and of the first frame painted at 360, 720, 1080 and 2160
    lines, all shrunk to 360, how far the paintings lie apart (LPIPS with SqueezeNet, mean of all
    pairs).
    """
    set_up_logging(quiet=True)
    source = open_source(clip)
    first = next(iter(source.read())).pixels
    shot = [frame.pixels for frame in islice(source.read(size=_size(first, _AT)), frames)]
    estimator = load_estimator(flow, "cpu", flow_weights)
    motions = [estimated_motion(estimator, *pair) for pair in pairwise(shot)]
    lpips = Lpips(squeeze or "squeeze")
    for style in styles or available():
        for stroke, told in ((None, "auto"), (1.0, "1")):
            painter = Painter(StylizeOptions(style=style, stroke=stroke, device="cpu"))
            painted = _painted(painter, shot)
            edges = [
                edge_similarity(edge_map(p), edge_map(f))
                for p, f in zip(painted, shot, strict=True)
            ]
            sizes = [_painted(painter, [resized(first, _size(first, h))])[0] for h in HEIGHTS]
            small = [resized(picture, _size(first, HEIGHTS[0])) for picture in sizes]
            apart = [lpips(a, b) for a, b in combinations(small, 2)]
            click.echo(
                f"{style}, --stroke {told}: edges {np.mean(edges):.3f}, "
                f"E_warp {1000 * _warp_error(painted, motions):.3f}, "
                f"sizes apart {np.mean(apart):.3f}"
            )
            if output:
                output.mkdir(parents=True, exist_ok=True)
                for height, picture in zip(HEIGHTS, sizes, strict=True):
                    write_image(output / f"{Path(style).stem}-{told}-{height}.jpg", picture)


def _size(picture: np.ndarray, lines: int) -> tuple[int, int]:
    """(width, height), even, of a picture whose shorter side has so many pixels."""
    height, width = picture.shape[:2]
    scale = lines / min(height, width)
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)


def _painted(painter: Painter, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [painter.finish(stylized) for stylized in painter.paint(frames)]


def _warp_error(painted: Sequence[np.ndarray], motions: Sequence[PairMotion]) -> float:
    pairs = zip(pairwise(painted), motions, strict=True)
    return float(np.mean([motion.errors(a, b)[0]["e_warp"] for (a, b), motion in pairs]))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
