"""Command: where the shots of a video begin, as a list to correct and a sheet to check it by."""

from brushflow.cli.start import run

from contextlib import closing
from pathlib import Path

import click
import cv2
import numpy as np
from tqdm import tqdm

from brushflow.cli.commands import printable, set_up_logging, stop_on_interrupt
from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.shots.cuts import CutDetector, scan_size, write_cuts
from brushflow.shots.gradual_transitions import Transition
from brushflow.video import open_source, write_image

_PATH = click.Path(path_type=Path)
_AROUND = (-8, -2, -1, 0, 1, 8)  # frames shown of each change, relative to the new shot's first
_LABEL = 14  # pixels
_TALLEST = 16000  # pixels of a sheet


@click.command(context_settings={"max_content_width": 100})
@click.argument("source")
@click.option("-o", "--output", type=_PATH, help="List to write [default: SOURCE.cuts.csv].")
@click.option("--sheet", type=_PATH, help="Picture to write: a row of frames for every change.")
@click.option("--restart", is_flag=True, help="Replace a list that is there already.")
def command(source: str, output: Path | None, sheet: Path | None, restart: bool) -> None:
    """Find where the shots of SOURCE begin.

    Correct the list where it is wrong and give it to brushflow paint with --cuts. On the sheet,
    the fourth picture of a row is the first frame of the new shot.
    """
    set_up_logging()
    opened = open_source(source)
    info = opened.info
    output = output or info.path.with_name(f"{info.path.stem}.cuts.csv")
    if output.exists() and not restart:
        raise UsageError(
            f"{output} exists already, and may hold corrections; choose another --output, or add "
            f"--restart to make it again."
        )
    detector = CutDetector()
    small: list[np.ndarray] = []
    seconds: list[float] = []
    read = opened.read(size=scan_size(info.width, info.height), gray=True)
    with stop_on_interrupt() as stop, closing(read) as frames:
        for frame in tqdm(frames, unit=" frames", total=info.expected_frames, disable=None):
            if stop.is_set():
                raise KeyboardInterrupt("Interrupted; no list was written.")
            detector.add(frame.pixels)
            seconds.append(float(frame.pts * info.time_base))
            if sheet is not None:
                small.append(frame.pixels)
    found = detector.transitions()
    write_cuts(output, found, seconds, replace=restart)
    counts = [sum(one.kind == kind for one in found) for kind in ("cut", "fade", "dissolve")]
    click.echo(
        f"Wrote {printable(str(output))}: {counted(len(found) + 1, 'shot')} in "
        f"{counted(len(seconds), 'frame')} ({counted(counts[0], 'hard cut')}, "
        f"{counted(counts[1], 'fade')}, {counted(counts[2], 'dissolve')})."
    )
    if sheet is not None and found:
        write_image(sheet, _sheet(small, found))
        click.echo(f"Look at {printable(str(sheet))}.")
    elif sheet is not None:
        click.echo("There is nothing to show on a sheet.")


def _sheet(frames: list[np.ndarray], found: list[Transition]) -> np.ndarray:
    """A row for each, in as many columns as it takes to stay below what pictures can be."""
    rows = [_row(frames, one) for one in found]
    count = max(1, _TALLEST // len(rows[0]))
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % count if len(rows) > count else 0)
    return np.hstack([np.vstack(rows[i : i + count]) for i in range(0, len(rows), count)])


def _row(frames: list[np.ndarray], transition: Transition) -> np.ndarray:
    cells = []
    for offset in _AROUND:
        index = min(max(transition.at + offset, 0), len(frames) - 1)
        cell = cv2.copyMakeBorder(frames[index], _LABEL, 2, 0, 2, cv2.BORDER_CONSTANT, value=(255,))
        number = index + 1  # as in the list
        text = f"{number} {transition.kind}" if offset == 0 else str(number)
        cv2.putText(cell, text, (2, _LABEL - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0,), 1)
        cells.append(cell)
    return cv2.cvtColor(np.hstack(cells), cv2.COLOR_GRAY2RGB)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
