"""What ``stylize_video.py`` says when it is done, or when it is asked what a run would take."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from brushflow.cli.advice import advised
from brushflow.cli.commands import aligned, printable
from brushflow.common.wording import counted
from brushflow.pipeline import RunReport
from brushflow.pipeline.many_runs import Outcome
from brushflow.pipeline.resources import Estimate


def tell_report(report: RunReport) -> None:
    """One video: what was written, how many frames, how long, at what speed."""
    for note in report.notes:
        click.echo(printable(note))
    if report.kept:
        click.echo(printable(f"Kept files are in {report.kept}."))
    speed = report.painted / report.seconds if report.seconds > 0 else 0.0
    resumed = "" if report.painted == report.frames else f", {report.painted} of them now"
    click.echo(
        f"Wrote {printable(str(report.output))}: {counted(report.frames, 'frame')}{resumed} in "
        f"{report.seconds:.1f} s ({speed:.2f} frames per second)."
    )


def tell_done(output: Path) -> None:
    """What there is nothing to do for."""
    click.echo(
        printable(
            f"{output} was there, made of the same with these options; --restart replaces it."
        )
    )


def tell_outcomes(outcomes: Sequence[Outcome], seconds: float) -> None:
    """Several videos: notes and errors, then a line for each."""
    rows = [["source", "frames", "painted now", "result"]]
    for outcome in outcomes:
        report = outcome.report
        said = [*report.notes, *([report.problem] if report.problem else [])] if report else []
        for sentence in said if outcome.error is None else [advised(outcome.error)]:
            click.echo(printable(f"{outcome.source}: {sentence}"))
        counts = [str(report.frames), str(report.painted)] if report else ["–", "–"]
        rows.append([outcome.source, *counts, _result(outcome)])
    click.echo(aligned([[printable(cell) for cell in row] for row in rows]))
    painted = sum(outcome.report.painted for outcome in outcomes if outcome.report)
    click.echo(
        f"{counted(painted, 'frame')} in {seconds:.1f} s "
        f"({painted / max(seconds, 1e-9):.2f} per s)."
    )


def _result(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "failed"
    if outcome.report is None:
        return f"{outcome.output} was there"
    return f"damaged: {outcome.output}" if outcome.failed else str(outcome.output)


def tell_estimates(estimates: Sequence[tuple[str, Path, Estimate]]) -> None:
    """What runs would take on this machine, in one process."""
    rows = [["source", "shots", "longest", "frames", "s/frame", "time", "disk"]]
    for source, _, estimate in estimates:
        rows.append(
            [
                printable(source),
                str(estimate.shots),
                str(estimate.longest),
                str(estimate.frames),
                f"{estimate.seconds_per_frame:.2f}",
                _duration(estimate.seconds),
                _bytes(estimate.disk),
            ]
        )
    if len(estimates) > 1:
        found = [estimate for _, _, estimate in estimates]
        shots, frames = sum(e.shots for e in found), sum(e.frames for e in found)
        seconds, disk = sum(e.seconds for e in found), sum(e.disk for e in found)
        longest = max(e.longest for e in found)
        rows.append(
            [
                *("all", str(shots), str(longest), str(frames), ""),
                *(_duration(seconds), _bytes(disk)),
            ]
        )
    click.echo(aligned(rows))
    # The folder of several outputs may not be there yet.
    place = next(folder for folder in estimates[0][1].absolute().parents if folder.exists())
    click.echo(
        f"Time is that of one process on this machine, disk at most; "
        f"{_bytes(shutil.disk_usage(place).free)} are free in {printable(str(place))}."
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _bytes(count: float) -> str:
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"
