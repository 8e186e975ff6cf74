"""The ways in which ``stylize_video.py`` works: one video, several, an estimate, a picture."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import click

from brushflow.cli.advice import advised
from brushflow.cli.commands import printable, stop_on_interrupt
from brushflow.cli.progress import ProgressDisplay
from brushflow.cli.sources import default_output
from brushflow.cli.summaries import tell_done, tell_estimates, tell_outcomes, tell_report
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.wording import counted
from brushflow.flow.opencv import one_opencv_thread
from brushflow.live.showing import show_while
from brushflow.models import available
from brushflow.pipeline import StylizeOptions, check_destination, stylize_video
from brushflow.pipeline.many_runs import stylize_in_styles, stylize_videos
from brushflow.pipeline.options import ALL
from brushflow.pipeline.outputs import forget_run, is_done, is_made
from brushflow.pipeline.parallel.dask_cluster import ClusterExecutor
from brushflow.pipeline.parallel.processes import painting_processes, usable_cores
from brushflow.pipeline.parallel.rows import ShotExecutor
from brushflow.pipeline.preview import preview, stylize_image
from brushflow.pipeline.resources import estimate_run, memory_of_process
from brushflow.video import Source, open_source


class Work:
    """What all ways of running share."""

    def __init__(
        self,
        options: StylizeOptions,
        jobs: int | str,
        cluster: str | None,
        report: bool,
        quiet: bool,
        show: bool,
    ) -> None:
        self.options = options
        self.report = report
        if show and (cluster is not None or jobs != 1):
            raise UsageError(
                "--show shows what this process paints; leave --jobs and --cluster out."
            )
        self.show = show
        if cluster is not None and jobs != 1:
            raise UsageError("--jobs is for this machine and --cluster for others; choose one.")
        self.jobs = jobs
        self.cluster = cluster
        self.quiet = quiet

    def stylize_one(self, source: Source, output: Path) -> None:
        """Paint one video, and measure it if that is wanted."""
        if self.report:
            # Not at the top: what it brings along takes longer to import than all the rest.
            from brushflow.evaluation.of_run import check_measurable

            check_measurable(self.options)
        place = source.info.path
        if is_done(source, output, self.options):
            if not self.quiet:
                tell_done(output)
            if self.report:
                self._measure(place, output)
            return
        with self._ready([source]) as (display, stop, executor):
            paint = partial(
                stylize_video,
                source=source,
                output=output,
                options=self.options,
                progress=display.show,
                stop=stop,
                executor=executor,
                keep_note=self.report,
            )
            report = show_while(lambda watch: paint(watch=watch)) if self.show else paint()
        if not self.quiet:
            tell_report(report)
        if self.report:
            self._measure(place, output)
            forget_run(output, self.options)
        if report.problem:
            raise BrushflowError(
                f"{source.info.path} is damaged; what could be read of it is in {report.output} "
                f"({report.problem})."
            )

    def stylize_in_all(self, source: Source, output: str | None, folder: Path | None) -> None:
        """Paint one video in every bundled style, into a file of each."""
        if output is not None and folder is None:
            raise UsageError(f"--style all makes several files; name a folder, as {output}/.")
        if folder is not None:
            make_folder(folder)
        outputs = []
        for style in available():
            options = replace(self.options, style=style)
            place = default_output(source.info.path, options)
            place = folder / place.name if folder else place
            if not is_done(source, place, options):
                outputs.append((style, place))
            elif not self.quiet:
                tell_done(place)
        if not outputs:
            return
        with stop_on_interrupt() as stop, ProgressDisplay(self.quiet) as display:
            reports = stylize_in_styles(source, outputs, self.options, display.show, stop)
        for report in reports if not self.quiet else []:
            tell_report(report)
        if reports[0].problem:
            raise BrushflowError(
                f"{source.info.path} is damaged; what could be read of it is painted "
                f"({reports[0].problem})."
            )

    def _measure(self, place: Path, output: Path) -> None:
        from brushflow.evaluation.of_run import report_run

        try:
            with ProgressDisplay(self.quiet) as display:
                show = partial(display.show, "measure")
                page = report_run(place, output, self.options, show)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "Interrupted. The same command without --restart measures, and paints nothing."
            ) from None
        if not self.quiet:
            click.echo(printable(f"Look at {page}."))

    def stylize_many(
        self, work: list[tuple[str, Path]], opened: Mapping[str, Source], folder: Path | None
    ) -> None:
        """Paint several videos, some ``opened``; those that fail do not stop the rest."""
        if self.report:
            raise UsageError("--report measures one video; name one.")
        started = time.monotonic()
        if folder is not None:
            make_folder(folder)
        with self._ready([*opened.values()]) as (display, stop, executor):
            # This machine scans and joins, however many others paint.
            at_once = 1 if executor is None else min(executor.count, usable_cores()) + 1
            outcomes = stylize_videos(
                work, self.options, display.show, stop, executor, at_once, opened
            )
        if not self.quiet:
            tell_outcomes(outcomes, time.monotonic() - started)
        failed = sum(outcome.failed for outcome in outcomes)
        if failed:
            raise BrushflowError(f"{failed} of {counted(len(outcomes), 'source')} failed.")

    def estimate(self, work: list[tuple[str, Path]], opened: Mapping[str, Source]) -> None:
        """Say what painting would take; videos that cannot be read do not stop the rest."""
        estimates, problems, notes = [], [], []
        with (
            one_opencv_thread(),
            stop_on_interrupt() as stop,
            ProgressDisplay(self.quiet) as display,
        ):
            for source, output in work:
                try:
                    video = opened.get(source) or open_source(source, self.options.fps)
                    if video.kind == "image":
                        notes.append(f"{source}: a picture, which takes no time to speak of.")
                        continue
                    found = estimate_run(
                        video, output, self.options, display.show, partial(_check, stop)
                    )
                except BrushflowError as error:
                    if len(work) == 1:
                        raise
                    problems.append(f"{source}: {advised(error)}")
                else:
                    estimates.append((source, output, found))
        for sentence in notes + problems:
            click.echo(printable(sentence))
        if estimates:
            tell_estimates(estimates)
        if problems:
            raise BrushflowError(
                f"{len(problems)} of {counted(len(work), 'source')} could not be estimated."
            )

    @contextmanager
    def _ready(
        self, sources: Sequence[Source]
    ) -> Iterator[tuple[ProgressDisplay, threading.Event, ShotExecutor | None]]:
        """A progress display, an event that Ctrl-C sets, and processes if several are wanted."""
        with (
            stop_on_interrupt() as stop,
            self._executor(sources) as executor,
            ProgressDisplay(self.quiet) as display,
        ):
            yield display, stop, executor

    def _executor(self, sources: Sequence[Source]) -> AbstractContextManager[ShotExecutor | None]:
        if self.cluster is not None:
            return ClusterExecutor(self.cluster)
        memory = 0
        for source in sources if self.jobs == "auto" else ():
            with suppress(BrushflowError):  # which is told when it is this source's turn
                memory = max(memory, memory_of_process(source, self.options))
        return painting_processes(self.jobs, self.options.device, memory)


def open_those_there(work: Sequence[tuple[str, Path]], fps: Fraction) -> dict[str, Source]:
    """Sources that can be opened, by name; what is wrong with others is said in their turn."""
    opened = {}
    for source, _ in work:
        with suppress(BrushflowError):
            opened[source] = open_source(source, fps)
    return opened


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt


def make_folder(folder: Path) -> None:
    """The folder that ``--output`` names."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {folder}, which --output names, cannot be made ({error.strerror})."
        ) from error


def write_still(
    source: Source, output: Path, options: StylizeOptions, moments: int | None, quiet: bool
) -> None:
    """Everything that ends in a single picture."""
    if not options.restart and is_made(source, output, options, moments):
        if not quiet:
            tell_done(output)
        return
    check_destination(source.info.path, output, options.restart)
    started = time.monotonic()
    if moments:
        with stop_on_interrupt() as stop:
            shown = preview(source, output, options, moments, partial(_check, stop))
        summary = counted(shown, "moment")
        if options.style == ALL:
            summary += f", from top to bottom the source, {', '.join(available())},"
    else:
        stylize_image(source, output, options)
        summary = "one picture"
    if not quiet:
        click.echo(
            f"Wrote {printable(str(output))}: {summary} in {time.monotonic() - started:.1f} s."
        )
