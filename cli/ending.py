"""How a command ends, whatever happens when: with one exit code, and a sentence if it must.

Ctrl-C may come at any moment and several times in a row, whoever reads the output may go away,
a disk may fill up. All that is decided here.
"""

from brushflow.cli.start import EXIT_INTERRUPTED, interrupts

import atexit
import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click

from brushflow.cli.advice import advised
from brushflow.common.errors import BrushflowError, told
from brushflow.common.memory import NOT_ENOUGH, out_of_memory

_STREAMS = {1: "stdout", 2: "stderr"}
# What writing says where a reader has left; the second of them is Windows' way.
_LEFT = (errno.EPIPE, errno.EINVAL) if os.name == "nt" else (errno.EPIPE,)


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a polite kill sets, so that the work can end at a good place.

    A second one interrupts at once.
    """
    stop = threading.Event()
    before = {s: signal.signal(s, interrupts) for s in (signal.SIGINT, signal.SIGTERM)}
    outer, interrupts.stop = interrupts.stop, stop
    try:
        yield stop
    finally:
        interrupts.stop = outer
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with(work: Callable[[], int | None]) -> NoReturn:
    """Do the work of a command, and leave the process with 0, 1, 2 or 130.

    0 done, 1 failed, 2 wrong usage, 130 interrupted. Errors the user can do something about are
    printed as a sentence; only a defect of the program itself shows a traceback. What is printed
    for a reader who has left goes nowhere, and the work goes on.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupts)
    streams = _patient_streams()
    try:
        try:
            interrupts.begin()
            code = work() or 0
        except BaseException as error:
            interrupts.heard()
            code = _tell(error)
        interrupts.calm = True
    except KeyboardInterrupt as stop:  # between the lines
        code = _tell(stop)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    problem = next((stream.problem for stream in streams if stream.problem), None)
    if problem is not None and code == 0:
        click.echo(f"Error: The output could not be written: {problem.strerror}.", err=True)
        code = BrushflowError.exit_code
    sys.exit(code)


def _tell(error: BaseException) -> int:
    """Say what has ended a command; its exit code. A defect of the program is raised again."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        # click wraps the interrupt, which may know how to go on.
        click.echo(advised(error.__cause__ or error) or "Interrupted.", err=True)
        return EXIT_INTERRUPTED
    if interrupts.came:  # Ctrl-C reaches others too, and what they say of it is no news
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, BrushflowError):
        click.echo(f"Error: {printable(advised(error))}", err=True)
        return error.exit_code
    if isinstance(error, OSError):
        # A full disk or a folder that went away can strike at any write.
        click.echo(f"Error: {printable(told(error))}", err=True)
        return BrushflowError.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else bool(error.code)
    if out_of_memory(error):
        click.echo(f"Error: {NOT_ENOUGH}", err=True)
        return BrushflowError.exit_code
    raise error


def printable(text: str) -> str:
    """The text with all that could move a terminal's cursor, or cannot be written, escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Patient(io.FileIO):
    """A standard stream whose reader may go away, or whose disk may be full, unnoticed by the work.

    ``problem``: what has gone wrong, if it is not the reader's own choice.
    """

    problem: OSError | None = None

    def write(self, data: Any) -> int:
        """Write, or from the first failure on do as if."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _LEFT:
                self.problem = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def _open_streams() -> None:
    """Let every standard stream that was closed (``>&-``) lead nowhere.

    Otherwise the next file that is opened gets its number, and what anybody says is written there.
    """
    for number, name in ((0, "stdin"), *_STREAMS.items()):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is the one.
            os.open(os.devnull, os.O_RDWR)
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _patient_streams() -> list[_Patient]:
    """Put patient streams in the place of the real ones (not of a test's).

    A letter that cannot be shown is no reason to stop either, but escaped.
    """
    streams = []
    for number, name in _STREAMS.items():
        real = getattr(sys, name)
        if real is not getattr(sys, f"__{name}__"):
            continue
        if real.isatty():
            real.reconfigure(errors="backslashreplace")
            continue
        raw = _Patient(number, "w", closefd=False)
        text = io.TextIOWrapper(
            io.BufferedWriter(raw),
            encoding=real.encoding,
            errors="backslashreplace",
            line_buffering=number == 2,
        )
        setattr(sys, name, text)
        streams.append(raw)
    return streams


def _ignore_the_rest() -> None:
    """Python gives signals their old meaning before it has left, and the code would be another."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is interrupts:
            signal.signal(number, signal.SIG_IGN)


atexit.register(_ignore_the_rest)
_open_streams()
