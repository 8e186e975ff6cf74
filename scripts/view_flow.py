"""Command: what the pipeline knows of a video's motion, as a video or a sheet to look at."""

from brushflow.cli.start import run

import itertools
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import cv2
import numpy as np
from tqdm import tqdm

from brushflow.cli.commands import printable, set_up_logging
from brushflow.cli.option_types import Pixels, Seconds
from brushflow.common.errors import UsageError
from brushflow.common.sizes import fit_size
from brushflow.common.wording import counted
from brushflow.flow import flow_to_color, load_estimator
from brushflow.occlusion import RULES
from brushflow.occlusion.motion import EstimatedMotion, Motion
from brushflow.pipeline.outputs import check_destination
from brushflow.video import (
    IMAGE_SUFFIXES,
    EncodeSettings,
    SegmentWriter,
    Source,
    TimedFrame,
    assemble,
    check_output,
    default_codec,
    open_source,
    write_image,
)

_PATH = click.Path(path_type=Path)
_RED = np.array([230, 30, 30], np.float32)
_LEGEND_SHARE = 0.22  # of the shorter side


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.argument("source", type=str)
@click.option("-o", "--output", required=True, type=_PATH, help="Video, or picture for a sheet.")
@click.option("--start", type=Seconds(), help="Begin at this time.")
@click.option("--end", type=Seconds(), help="Stop before this time.")
@click.option("--flow", default="dis", help="Optical flow, as of brushflow paint.")
@click.option("--flow-weights", type=_PATH, help="Weights of the optical flow network.")
@click.option("--occlusion", default="fast", type=click.Choice(RULES), help="Reliability's rule.")
@click.option("--max-size", default=640, type=Pixels(32), help="Longest side of a panel.")
@click.option("--max-motion", default=0.0, help="Pixels that get full colour; 0 is each frame's.")
@click.option("--moments", default=6, type=click.IntRange(1), help="Rows of a sheet.")
def command(
    source: str,
    output: Path,
    start: Fraction | None,
    end: Fraction | None,
    flow: str,
    flow_weights: Path | None,
    occlusion: str,
    max_size: int,
    max_motion: float,
    moments: int,
) -> None:
    """Show frame, backward flow and unreliable pixels (red) of SOURCE side by side.

    The wheel in the flow's corner tells directions: it is the flow of a picture that grows out of
    its centre. The number is the length, in pixels, of the wheel's rim.
    """
    set_up_logging()
    opened = open_source(source)
    check_destination(source, output, replace=True)
    motion = EstimatedMotion(load_estimator(flow, "cpu", flow_weights), occlusion)
    panels = _Panels(opened, motion, _panel_size(opened, max_size), max_motion, start, end)
    if output.suffix.lower() in IMAGE_SUFFIXES:
        wrote = counted(panels.sheet(output, moments), "moment")
    else:
        wrote = counted(panels.video(output), "frame")
    click.echo(printable(f"Wrote {output}: {wrote}."))


class _Panels:
    """Three pictures in a row for every frame but the first."""

    def __init__(
        self,
        source: Source,
        motion: EstimatedMotion,
        size: tuple[int, int],
        max_motion: float,
        start: Fraction | None,
        end: Fraction | None,
    ) -> None:
        self.source = source
        self.motion = motion
        self.size = size
        self.max_motion = max_motion
        self.start = start or Fraction(0)
        self.end = end
        self.origin = 0  # pts of the source's first frame

    def video(self, output: Path) -> int:
        """Write all of them as a video with the source's timestamps; returns their number."""
        settings = EncodeSettings(default_codec(output))
        check_output(output, settings.codec)
        info = self.source.info
        pts = []
        width, height = 3 * self.size[0], self.size[1]
        rate = info.frame_rate or Fraction(25)  # a guess for the encoder; times are exact
        with TemporaryDirectory(prefix=".partial-", dir=output.absolute().parent) as folder:
            segment = Path(folder) / "panels.mkv"
            with SegmentWriter(segment, width, height, settings, rate) as writer:
                for frame, row in tqdm(self._rows(), unit="frame"):
                    writer.write(row)
                    pts.append(frame.pts)
                if not pts:
                    raise self._too_few()
            begin = self.origin * info.time_base + self.start if self.start else None
            assemble([segment], pts, info.time_base, output, start=begin)
        return len(pts)

    def sheet(self, output: Path, moments: int) -> int:
        """Write those of some moments below each other; returns their number."""
        inside = [f.index for f in self._between(self.source.read(size=(16, 16), gray=True))]
        count = len(inside)
        if count < 2:
            raise self._too_few()
        places = sorted({1 + round((i + 0.5) * (count - 2) / moments) for i in range(moments)})
        rows = []
        for place in places:
            with closing(self._rows(inside[place - 1])) as following:
                rows.append(next(following)[1])
        write_image(output, np.vstack(rows))
        return len(rows)

    def _too_few(self) -> UsageError:
        path = self.source.info.path
        if self.start or self.end is not None:
            return UsageError(
                f"There are fewer than two frames of {path} between --start and --end, and so no "
                f"motion to show."
            )
        return UsageError(f"{path} has one frame only, and so no motion to show.")

    def _between(self, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        """Those from ``start`` to before ``end``, of all from the source's first one on."""
        for frame in frames:
            if frame.index == 0:
                self.origin = frame.pts
            time = (frame.pts - self.origin) * self.source.info.time_base
            if self.end is not None and time >= self.end:
                return
            if time >= self.start:
                yield frame

    def _rows(self, first: int = 0) -> Generator[tuple[TimedFrame, np.ndarray], None, None]:
        frames = self.source.read(size=self.size, first=first)
        with ThreadPoolExecutor(1) as pool, closing(frames):
            for before, frame in itertools.pairwise(self._between(frames)):
                motion = self.motion(frame.pixels, before.pixels, frame.index, pool)
                yield frame, self._row(frame.pixels, motion)

    def _row(self, frame: np.ndarray, motion: Motion) -> np.ndarray:
        longest = self.max_motion or float(np.linalg.norm(motion.flow, axis=2).max())
        unreliable = (1 - motion.reliability)[..., None]
        marked = frame * (1 - 0.75 * unreliable) + _RED * 0.75 * unreliable
        colors = _with_legend(flow_to_color(motion.flow, max(longest, 1e-6)), longest)
        return np.hstack([frame, colors, marked.round().astype(np.uint8)])


def _with_legend(colors: np.ndarray, longest: float) -> np.ndarray:
    """The colour wheel and the length of its rim in the lower right corner."""
    side = 2 * round(_LEGEND_SHARE * min(colors.shape[:2]) / 2) + 1
    place = np.linspace(-1, 1, side, dtype=np.float32)
    wheel = np.stack(np.meshgrid(place, place), axis=2)
    painted = flow_to_color(wheel, 1.0)
    round_ = np.linalg.norm(wheel, axis=2) <= 1
    colors = colors.copy()
    corner = colors[-side:, -side:]
    corner[round_] = painted[round_]
    text = f"{longest:.1f} px"
    scale = side / 120
    baseline = (colors.shape[1] - side, colors.shape[0] - side - 4)
    cv2.putText(colors, text, baseline, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return colors


def _panel_size(source: Source, max_size: int) -> tuple[int, int]:
    """(width, height) within ``max_size``, even, as video codecs ask for."""
    return fit_size((source.info.width, source.info.height), max_size, step=2)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
