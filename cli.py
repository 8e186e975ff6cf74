"""What all commands share: exit codes, errors as one sentence, and where log lines go."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from types import FrameType, TracebackType
from typing import Any, NoReturn

import click
from tqdm import tqdm

from brushflow.errors import BrushflowError
from brushflow.memory import NOT_ENOUGH, keep_freed_memory, out_of_memory

EXIT_INTERRUPTED = 130

# PyTorch's threads spin while they wait for each other, which starves the threads that find
# motion: without this, a run on two cores takes a fifth longer. It counts only if it is set
# before PyTorch is imported, and so here, in the first module that a command imports.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _say_interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("Interrupted.\n")
    else:
        _tell_others(kind, error, trace)


_tell_others = sys.excepthook
# ``run`` answers to Ctrl-C, but the imports before it take seconds. Python leaves by the signal
# itself then, which shells know as 130.
sys.excepthook = _say_interrupted


def run(command: click.Command) -> NoReturn:
    """Run a click command and leave the process with 0, 1, 2 or 130.

    0 done, 1 failed, 2 wrong usage, 130 interrupted. Errors the user can do something about are
    printed as a sentence; only a defect of the program itself shows a traceback.
    """
    signal.signal(signal.SIGTERM, _terminate)
    keep_freed_memory()
    try:
        code = command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrushflowError as error:
        click.echo(f"Error: {printable(str(error))}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        # click wraps the interrupt, which may know how to go on.
        click.echo(str(stop.__cause__ or stop) or "Interrupted.", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong with the work.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        # A full disk or a folder that went away can strike at any write.
        place = f" ({error.filename})" if error.filename else ""
        click.echo(f"Error: {printable(f'{error.strerror or error}{place}')}.", err=True)
        code = BrushflowError.exit_code
    except Exception as error:
        if not out_of_memory(error):
            raise
        click.echo(f"Error: {NOT_ENOUGH}", err=True)
        code = BrushflowError.exit_code
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(code or 0)


def printable(text: str) -> str:
    """The text with all that could move a terminal's cursor, or cannot be written, escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def aligned(rows: list[list[str]]) -> str:
    """Rows of cells as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a polite kill sets, so that the work can end at a good place.

    A second one interrupts at once.
    """
    stop = threading.Event()

    def ask(signum: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def set_up_logging(quiet: bool = False, verbose: bool = False) -> None:
    """Send log records to stderr, above a progress bar if there is one."""
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    handler = _AboveProgressBar()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("brushflow")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


class GroupedOption(click.Option):
    """An option that ``--help`` lists under the heading ``group``."""

    def __init__(self, *args: Any, group: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists its options by group, in the order of their definition."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                groups.setdefault(getattr(parameter, "group", "Other"), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records, col_max=34)


def option_for(options: type, group: str) -> Callable[..., Any]:
    """A maker of click options that fill fields of the dataclass ``options``, with its defaults.

    Called with the field's name, the help sentence, and, where they differ from the field's name
    with dashes, the option's names.
    """
    defaults = {field.name: field.default for field in fields(options)}

    def make(field: str, help: str, *names: str, **attributes: Any) -> Any:
        default = defaults[field]
        if default is MISSING:
            default = None
        if isinstance(default, bool):
            attributes |= {"is_flag": True}
        elif default is not None:
            attributes = {"type": type(default), **attributes}
        return click.option(
            *(names or (f"--{field.replace('_', '-')}",)),
            field,
            cls=GroupedOption,
            group=group,
            default=default,
            show_default=default not in (None, False, ()),
            help=help,
            **attributes,
        )

    return make


class _AboveProgressBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    """A polite kill ends a run the way Ctrl-C does: cleanly, with what is done kept."""
    raise KeyboardInterrupt
