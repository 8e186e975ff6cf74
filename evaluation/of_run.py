"""The report about a run of ``stylize_video``: its options are known, so nothing has to be said."""

from pathlib import Path

from brushflow.common.errors import UsageError
from brushflow.evaluation.evaluator import Progress, evaluate
from brushflow.pipeline.options import StylizeOptions
from brushflow.report.evaluation_page import write_report
from brushflow.shots.scan import find_cuts
from brushflow.video import open_source


def check_measurable(options: StylizeOptions) -> None:
    """UsageError for options whose result shows something else than the source's frames."""
    if options.compare:
        raise UsageError(
            "What shows the source beside every frame cannot be compared with the source.",
            about="compare",
        )


def report_run(
    source: str | Path, output: Path, options: StylizeOptions, progress: Progress
) -> Path:
    """Measure ``output``, which these options made of ``source``; returns the page's path.

    The page lies in a folder beside the output. Motion is that of the default estimator, whatever
    the run used, at the output's size.

    Raises:
        UsageError, BrushflowError: see ``evaluate`` and ``write_report``.
    """
    opened = open_source(source, options.fps)
    options = options.for_source(opened.info)
    width, height = options.output_size(opened.info.width, opened.info.height)
    evaluation = evaluate(
        source,
        {options.style: output},
        cuts=find_cuts(opened, options.cuts, options.end),
        max_size=max(width, height),
        start=None if options.start is None else float(options.start),
        end=None if options.end is None else float(options.end),
        fps=options.fps,
        progress=progress,
    )
    return write_report(evaluation, output.with_name(f"{output.stem}.report"))
