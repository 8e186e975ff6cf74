"""What ``stylize_video.py camera:0`` does: options in, a window, and lines about what was done."""

from pathlib import Path

import click

from brushflow.cli.commands import printable, stop_on_interrupt
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.memory import out_of_memory
from brushflow.common.wording import counted
from brushflow.live.capture import Capture
from brushflow.live.controls import Controls
from brushflow.live.frame_by_frame import Studio
from brushflow.live.session import Session, SessionReport
from brushflow.live.window import Window
from brushflow.models import available, learned_styles
from brushflow.pipeline import StylizeOptions, check_destination
from brushflow.video import check_encoder, check_output
from brushflow.video.capture_devices import open_device
from brushflow.video.recording import finish_recording

DEFAULT_RECORDING = Path("live.mp4")


def paint_live(
    source: str,
    options: StylizeOptions,
    record: Path | None,
    size: int | None,
    quiet: bool,
) -> None:
    """Paint the device ``source`` in a window until somebody quits.

    Raises:
        UsageError: a recording that cannot be written like this.
        BrushflowError: no display, no such device, or one that went away; what was recorded is
            there by then.
        KeyboardInterrupt: Ctrl-C, likewise.
    """
    place = record or DEFAULT_RECORDING
    encoding = options.encoding(place)
    check_encoder(encoding)
    check_output(place, encoding.codec)
    try:
        check_destination(source, place, replace=True)
    except UsageError as error:
        raise UsageError(str(error), about="recording") from error
    rescued = finish_recording(place)
    if rescued and not quiet:
        click.echo(printable(f"Finished {rescued}, a recording that had been interrupted."))
    style, styles = offered(options.style)
    studio = Studio(options, styles)
    controls = Controls(studio.names, style, options.strength, not options.independent)
    controls.recording = record is not None
    studio.load(style, controls.carry)
    with stop_on_interrupt() as stop, Window() as window:
        capture = Capture(open_device(source, options.fps))
        session = Session(capture, studio, window, options, controls, place, size, stop)
        try:
            with capture:
                session.run()
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise BrushflowError(
                "There is not enough memory to paint at this size; --live-size makes it smaller."
            ) from error
        finally:
            studio.close()
            if not quiet:
                _tell(session.report, capture)
    if stop.is_set():
        raise KeyboardInterrupt
    if capture.problem is not None:
        raise capture.problem


def offered(style: str) -> tuple[str, dict[str, str]]:
    """What to call this style, and all styles by name, this one first."""
    names = {name: name for name in available()}
    names |= {name: str(path) for name, path in learned_styles().items()}
    name = style if style in names else Path(style).stem
    if (
        names.get(name, style) != style
    ):  # a file that is called like a bundled style is not that one
        name = style
    return name, {name: style, **names}


def _tell(report: SessionReport, capture: Capture) -> None:
    """How fast it was, and what was written."""
    meter = report.meter
    if report.size is not None and meter.latencies:
        width, height = report.size
        click.echo(
            f"Painted {len(meter.latencies)} of {counted(capture.arrived, 'frame')} at "
            f"{width}x{height}: {meter.overall_rate:.1f} per second, "
            f"{1000 * meter.overall_latency:.0f} ms after they came (at most "
            f"{1000 * max(meter.latencies):.0f} ms); {capture.dropped} came too late and were "
            f"left out."
        )
    for path in report.written:
        if path.exists():
            click.echo(printable(f"Wrote {path}."))
