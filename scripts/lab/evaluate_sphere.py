"""Command: how visible borders are in painted spherical videos, and how stable those are."""

from brushflow.cli.start import run

from contextlib import closing
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from brushflow.cli.commands import aligned, set_up_logging
from brushflow.cli.option_types import Pixels
from brushflow.common.errors import UsageError
from brushflow.evaluation.pair_motion import estimated_motion
from brushflow.evaluation.stability import difference_map
from brushflow.evaluation.video_pairs import Inputs
from brushflow.flow import load_estimator
from brushflow.flow.types import FlowEstimator
from brushflow.scripts.evaluate import named_results
from brushflow.shots.scan import find_cuts
from brushflow.spherical import Panorama, default_cube
from brushflow.spherical.panorama import EquirectSampler
from brushflow.spherical.seams import SeamMeasure, Seams, perspective
from brushflow.video import open_source, write_image

# Yaw and pitch in degrees: an edge, two corners, the line at ±180 degrees, the poles.
VIEWS = ((45, 0), (45, 35.26), (-135, -35.26), (180, 0), (0, 90), (0, -90))
_VIEW_SIZE = 320
_GAP = 6


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("source")
@click.argument("results", nargs=-1)
@click.option("--max-size", type=Pixels(64), metavar="N", help="Compare at this width.")
@click.option("--end", type=click.FloatRange(0, min_open=True), help="Stop after these seconds.")
@click.option("--flow", default="dis", help="Optical flow for E_warp, or none.")
@click.option(
    "--views",
    type=click.Path(path_type=Path),
    help="Also write a picture: a row per video with views across borders, corners and poles.",
)
def command(
    source: str,
    results: tuple[str, ...],
    max_size: int | None,
    end: float | None,
    flow: str,
    views: Path | None,
) -> None:
    """Measure equirectangular RESULTS against the SOURCE they were painted from.

    borders (a cube's edges), line (where left meets right) and poles are mean gradients there over
    mean gradients beside: 1 is no visible border, and "of source" the borders' ratio over that of
    the source, whose scene has one too. steps is how far light, contrast or texture change over an
    edge, against how far beside it. border and inner MSE are squared differences of
    neighbouring pixels, in grey levels. E_warp (in thousandths) is measured on a cube's faces.
    """
    set_up_logging()
    named = named_results(list(results)) if results else {}
    inputs = Inputs(source, named, max_size, end)
    estimator = None if flow == "none" else load_estimator(flow)
    cuts = set(find_cuts(open_source(source), "auto", end)) if estimator else ()
    names = [Path(source).stem, *named]
    videos = [_Video() for _ in names]
    before: list[np.ndarray] | None = None
    middle = (inputs.expected_frames or 1) // 2
    with closing(inputs.read()) as frames, torch.inference_mode():
        for count, pictures in enumerate(tqdm(frames, unit=" frames", disable=None)):
            if count == 0:
                height, width = pictures[0].shape[:2]
                measure = SeamMeasure(width, height)
                cube = default_cube(width, height, "equirect")
                panorama = Panorama(width, height, "equirect", cube)
            for video, picture in zip(videos, pictures, strict=True):
                video.seams.append(measure(_tensor(picture)))
            if estimator is not None:
                faces = [panorama.faces_of(picture) for picture in pictures]
                if before is not None and count not in cuts:
                    _add_errors(videos, before, faces, estimator)
                before = faces
            if views is not None and count <= middle:
                shown = pictures
    if not videos[0].seams:
        raise UsageError(f"There is no frame in {source} before --end.")
    rows = [[name, *video.row(videos[0])] for name, video in zip(names, videos, strict=True)]
    click.echo(aligned([_HEADER, *rows]))
    if views is not None:
        write_image(views, _sheet(shown))
        click.echo(f"Look at {views}.")


_HEADER = [
    "",
    "borders",
    "of source",
    "steps",
    "line",
    "poles",
    "border MSE",
    "inner MSE",
    "E_warp ×1000",
]


class _Video:
    """What was measured of one video so far."""

    def __init__(self) -> None:
        self.seams: list[Seams] = []
        self.difference = 0.0
        self.visible = 0.0

    def mean(self, name: str) -> float:
        """The mean over all frames of one of the measures of ``Seams``."""
        return float(np.mean([getattr(seams, name) for seams in self.seams]))

    def row(self, source: "_Video") -> list[str]:
        """The means as text."""
        borders = self.mean("borders")
        ratios = (
            *(borders, borders / max(source.mean("borders"), 1e-9)),
            *(self.mean("steps"), self.mean("line"), self.mean("poles")),
        )
        errors = (self.mean("border_error"), self.mean("inner_error"))
        warping = f"{self.difference / self.visible * 1000:.3f}" if self.visible else "–"
        return [*(f"{x:.3f}" for x in ratios), *(f"{x:.1f}" for x in errors), warping]


def _add_errors(
    videos: list[_Video],
    before: list[np.ndarray],
    after: list[np.ndarray],
    estimator: FlowEstimator,
) -> None:
    """The warping errors of all faces from one frame to the next, motion from the first video."""
    for face in range(len(after[0])):
        motion = estimated_motion(estimator, before[0][face], after[0][face])
        for video, earlier, later in zip(videos, before, after, strict=True):
            differences = difference_map(earlier[face], later[face], motion.forward)
            video.difference += float((differences * motion.mask).sum(dtype=np.float64))
            video.visible += float(motion.mask.sum())


def _sheet(pictures: list[np.ndarray]) -> np.ndarray:
    """A row of views for each picture."""
    height, width = pictures[0].shape[:2]
    rows = []
    for picture in pictures:
        row = []
        for yaw, pitch in VIEWS:
            look = EquirectSampler(width, height, perspective(yaw, pitch, _VIEW_SIZE))
            view = look(_tensor(picture))[0].permute(1, 2, 0).round().clamp(0, 255)
            row.append(np.pad(view.byte().numpy(), ((0, _GAP), (0, _GAP), (0, 0))))
        rows.append(np.hstack(row))
    return np.vstack(rows)


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
