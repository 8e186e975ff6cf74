"""Command: run a folder of videos through the pipeline, unpainted, and compare what comes out.

Every file passes with --strength 0. Source and result are then played by a second, independent
path (brushflow.video.playback), and everything that must not change is compared.
"""

from brushflow.cli.start import run

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from brushflow.cli.commands import printable, set_up_logging
from brushflow.cli.option_types import Seconds
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.wording import counted
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.video.playback import Playback, play

MOST_COLOR = 1.5  # grey levels between the mean colours of frames, on average
MOST_COLOR_ONCE = 4.0  # grey levels between those of any single frame
MOST_TIME = Fraction(1, 1000)  # seconds, or a tick of the result's clock if that is less
MOST_SOUND = Fraction(1, 20)  # seconds of delay between picture and sound that nobody notices
COLUMNS = (34, 11, 8, 16, 11, 26, 7, 9)
HEADS = ("file", "frames", "times", "size", "seconds", "tracks", "colour", "verdict")


@dataclass
class Row:
    """One file's line in the table: cells under ``HEADS`` but the last, faults and notes."""

    cells: list[str]
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The line, and below it a line per fault and note."""
        verdict = "WRONG" if self.faults else "right"
        padded = zip([*self.cells, verdict], COLUMNS, strict=True)
        line = " ".join(_fit(cell, width) for cell, width in padded).rstrip()
        return [line, *(f"    ! {t}" for t in self.faults), *(f"    - {t}" for t in self.notes)]


def check(source: Path, folder: Path, end: Fraction | None = None) -> Row:
    """Pass one file through and compare; its result is left in ``folder``."""
    name = printable(source.name)
    output = folder / _output_name(source)
    options = StylizeOptions(strength=0, crf=12, preset="veryfast", end=end, restart=True)
    try:
        report = stylize_video(source, output, options)
    except BrushflowError as error:
        return _refused(source, name, error)
    before = play(source, until=end)
    after = play(output, list(before.means))
    notes = [printable(note) for note in report.notes]
    if report.problem:
        notes.append(f"The source is damaged: {printable(report.problem)}.")
    if before.turned:
        notes.append(f"The source is stored {before.turned} turned.")
    frames = len(before.times) + len(before.lost)
    cells = [
        name,
        f"{frames} > {len(after.times)}",
        _worst_time(before, after),
        f"{after.size[0]}x{after.size[1]}" + _aspect(after.sample_aspect),
        f"{float(after.times[-1] - after.times[0]):.3f}",
        _tracks(after),
        f"{_color_differences(before, after).mean():.2f}",
    ]
    return Row(cells, list(faults(before, after, report.notes)), notes)


def _refused(source: Path, name: str, error: BrushflowError) -> Row:
    """A refusal is right where nothing can be played."""
    row = Row([name, "refused", *[""] * (len(HEADS) - 3)], notes=[printable(str(error))])
    try:
        play(source)
    except BrushflowError:
        return row
    row.faults.append("It was refused, but it can be played.")
    return row


def faults(before: Playback, after: Playback, notes: list[str]) -> Iterator[str]:
    """A sentence for everything about a result that is not as its source plays."""
    yield from _time_faults(before, after)
    if before.size != after.size:
        yield f"The upright picture has {before.size} pixels, the result {after.size}."
    if before.sample_aspect != after.sample_aspect:
        yield f"A pixel has the aspect {before.sample_aspect}, now {after.sample_aspect}."
    for kind, count in before.tracks.items():
        noted = sum(f" {kind} " in f"{note} " or kind == "cover" for note in notes)
        if after.tracks[kind] + noted < count:
            yield f"It has {counted(count, 'track')} of {kind}, the result {after.tracks[kind]}."
    off = _color_differences(before, after)
    if off.mean() > MOST_COLOR or off.max() > MOST_COLOR_ONCE:
        yield (
            f"The mean colours of frames are off by {off.mean():.2f} grey levels, "
            f"{off.max():.2f} at most."
        )
    if not _upright(before, after):
        yield "The picture is not the way up that a player shows it."


def _time_faults(before: Playback, after: Playback) -> Iterator[str]:
    times = sorted([*before.times, *before.lost])
    if len(times) != len(after.times):
        yield f"The source has {counted(len(times), 'frame')}, the result {len(after.times)}."
        return
    shift = times[0] - after.times[0] if before.running_clock else Fraction(0)
    allowed = min(MOST_TIME, after.tick)
    worst = max(abs(a - shift - b) for a, b in zip(times, after.times, strict=True))
    if worst > allowed:
        yield f"A frame is shown {float(worst):.4f} s too early or too late."
    if before.end is not None and after.end is not None:
        late = abs(before.end - shift - after.end)
        if late > 2 * MOST_TIME:
            yield f"It ends {float(late):.4f} s too early or too late."
    if before.audio_start is not None and after.audio_start is not None:
        drift = abs(before.audio_start - shift - after.audio_start)
        if drift > MOST_SOUND:
            yield f"The sound begins {float(drift):.3f} s too early or too late."


def _color_differences(before: Playback, after: Playback) -> np.ndarray:
    """Difference of each measured frame's mean colour in its worst channel, in grey levels.

    No frames in common are infinitely far apart.
    """
    pairs = _pairs(before.means, after.means)
    return np.array([np.abs(a - b).max() for a, b in pairs] or [np.inf])


def _upright(before: Playback, after: Playback) -> bool:
    """Whether no other way of turning the frames shrunk to squares would fit better."""
    distances = np.zeros(8)
    for a, b in _pairs(before.thumbnails, after.thumbnails):
        ways = chain.from_iterable((np.rot90(b, k), np.rot90(b[:, ::-1], k)) for k in range(4))
        distances += [np.abs(a - way).mean() for way in ways]
    return bool(distances[0] <= distances.min() + 1)


def _pairs(
    before: dict[Fraction, np.ndarray], after: dict[Fraction, np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Measurements of the same moments; ``play`` looked for those of the first in the second."""
    return [
        (value, after[nearest])
        for time, value in before.items()
        if after and abs((nearest := min(after, key=lambda t: abs(t - time))) - time) <= MOST_TIME
    ]


def _worst_time(before: Playback, after: Playback) -> str:
    return "differ" if any(_time_faults(before, after)) else "equal"


def _aspect(ratio: Fraction) -> str:
    return "" if ratio == 1 else f" {ratio.numerator}:{ratio.denominator}"


def _tracks(seen: Playback) -> str:
    return " ".join(f"{count} {kind}" for kind, count in seen.tracks.items()) or "none"


def _output_name(source: Path) -> str:
    """A container that holds what the source's does; only its encoders may be slow."""
    suffix = source.suffix.lower()
    kept = {".mov": ".mov", ".mkv": ".mkv", ".webm": ".mkv"}.get(suffix, ".mp4")
    return f"out-{source.stem[:40]}-{suffix[1:]}{kept}"


def _fit(cell: str, width: int) -> str:
    return (cell if len(cell) <= width else f"{cell[: width - 1]}…").ljust(width)


@contextmanager
def _results(out: Path | None) -> Iterator[Path]:
    if out is None:
        with TemporaryDirectory(prefix="brushflow-check-") as folder:
            yield Path(folder)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {out} cannot be made: {error.strerror}.") from error
    yield out


@click.command(context_settings={"max_content_width": 100})
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Keep the results here.")
@click.option("--end", type=Seconds(), help="Only the part of every file before this time.")
def command(folder: Path, output: Path | None, end: Fraction | None) -> None:
    """Pass every video in FOLDER (or one file) through with --strength 0 and compare the results.

    For each: frames in > out, whether they are shown at the same times, size and pixel aspect,
    length, tracks, how far the mean colours of frames are off in grey levels, and a verdict.
    Exit code 1 if anything is wrong. Attach the table to a report about a video that fails.
    """
    set_up_logging(quiet=True)
    if not folder.exists():
        raise UsageError(f"There is no folder {folder}; check the name.")
    entries = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    files = [path for path in entries if path.is_file() and not path.name.startswith(".")]
    if not files:
        raise UsageError(f"There is no file in {folder} to check.")
    click.echo(" ".join(_fit(head, width) for head, width in zip(HEADS, COLUMNS, strict=True)))
    wrong = 0
    with _results(output) as results:
        for path in files:
            row = check(path, results, end)
            wrong += bool(row.faults)
            for line in row.lines():
                click.echo(line)
    click.echo(f"{len(files) - wrong} of {counted(len(files), 'file')} came through right.")
    if wrong:
        raise BrushflowError(
            f"{wrong} of {counted(len(files), 'file')} did not come through right."
        )


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
