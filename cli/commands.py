"""What all commands share: options that all have, help in groups, and where log lines go."""

import contextlib
import logging
import sys
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Any, NoReturn

import click

import brushflow
from brushflow.cli.advice import know_options, with_advice
from brushflow.cli.ending import EXIT_INTERRUPTED, end_with, printable, stop_on_interrupt
from brushflow.common.errors import BrushflowError, UsageError, told
from brushflow.common.memory import NOT_ENOUGH, keep_freed_memory, out_of_memory
from brushflow.common.option_fields import option_of

__all__ = [
    "EXIT_INTERRUPTED",
    "GroupedCommand",
    "GroupedOption",
    "aligned",
    "complete",
    "option_for",
    "option_names",
    "options_of",
    "printable",
    "run_to_the_end",
    "set_up_logging",
    "stop_on_interrupt",
]


def run_to_the_end(command: click.Command) -> NoReturn:
    """Run a click command to the process's end; see ``end_with``."""
    complete(command)
    know_options(command)
    keep_freed_memory()
    end_with(lambda: command.main(standalone_mode=False))


def complete(command: click.Command) -> None:
    """Give a command and its parts what all have: -h, and that no option may be given twice.

    The last of two would count, and the first be forgotten without a word.
    """
    command.context_settings.setdefault("help_option_names", ["-h", "--help"])
    command._help_option = None  # one without -h is remembered where it was called before
    if not any(parameter.name == "version" for parameter in command.params):
        command.params.append(_VERSION)
    if "invoke" not in vars(command):
        vars(command)["invoke"] = partial(_invoke, command.invoke)
    parts = list(command.commands.values()) if isinstance(command, click.Group) else []
    for part in (command, *parts):
        if "parse_args" not in vars(part):
            vars(part)["parse_args"] = partial(_parse_once, part, part.parse_args)


def _invoke(invoke: Callable[[click.Context], Any], ctx: click.Context) -> Any:
    """Do the work; click would take any pipe that breaks for that of its own output."""
    try:
        return invoke(ctx)
    except OSError as error:
        raise BrushflowError(NOT_ENOUGH if out_of_memory(error) else told(error)) from error


def _parse_once(
    command: click.Command,
    parse: Callable[[click.Context, list[str]], list[str]],
    ctx: click.Context,
    args: list[str],
) -> list[str]:
    if not ctx.resilient_parsing:
        with contextlib.suppress(click.UsageError):  # said by the real parser, in its turn
            _, _, given = command.make_parser(ctx).parse_args(list(args))
            _check_once(given, ctx)
    return parse(ctx, args)


def _check_once(given: list[click.Parameter], ctx: click.Context) -> None:
    """UsageError for an option that is given twice, and may not be."""
    seen = set()
    for option in given:
        if not isinstance(option, click.Option) or option.multiple or option.count:
            continue
        if option.name in seen:
            raise UsageError(
                f"{' or '.join(option.opts + option.secondary_opts)} is given twice; leave one of "
                f"them out."
            )
        seen.add(option.name)


def _say_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"brushflow {brushflow.__version__}")
        ctx.exit()


_VERSION = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Say which version this is and leave.",
)


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
    """An option that ``--help`` lists under the heading ``group``.

    ``kinds``: what it is of use for, see ``OptionField``; None if for anything.
    """

    def __init__(
        self, *args: Any, group: str, kinds: Collection[str] | None = None, **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        self.group = group
        self.kinds = kinds


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


def options_of(options: type, group: str, but: Collection[str] = ()) -> Callable[..., Any]:
    """A decorator: click options for all fields of a dataclass in this group, in their order.

    ``but``: names of fields that have been given theirs by ``option_for``.
    """
    wanted = [f.name for f in fields(options) if option_of(f).group == group and f.name not in but]

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(wanted):
            command = option_for(options, name)(command)
        return command

    return add


def option_for(options: type, name: str) -> Callable[..., Any]:
    """A decorator: the click option that fills this field of a dataclass of ``option_field``s."""
    # Late: it knows encoders and sizes of videos, and help of all commands needs nothing of that.
    from brushflow.cli.option_types import type_of

    field = next(each for each in fields(options) if each.name == name)
    option = option_of(field)
    default = None if field.default is MISSING else field.default
    attributes: dict[str, Any] = {"show_default": default not in (None, False, ())}
    if isinstance(default, bool):
        names = option_names(field)
        attributes["is_flag"] = True
        if default and "/" not in names[0]:  # it can only be switched off
            attributes |= {"flag_value": False, "show_default": False}
    else:
        attributes["type"] = type_of(field)
        if option.bare is not None:
            attributes |= {"is_flag": False, "flag_value": option.bare}
        if option.repeated:
            attributes["multiple"] = True
            default = default if isinstance(default, tuple | None) else (default,)
    if option.metavar is not None:
        attributes["metavar"] = option.metavar
    called = {each.name: option_names(each)[-1].split("/")[0] for each in fields(options)}
    return click.option(
        *option_names(field),
        name,
        cls=GroupedOption,
        group=option.group,
        kinds=option.kinds,
        default=default,
        help=option.help.format(**called),
        **attributes,
    )


def option_names(field: "Field[Any]") -> list[str]:
    """What the option of a field is called; of a switch, both its ways as ``--on/--off``."""
    names = option_of(field).names or (field.name.replace("_", "-"),)
    return ["/".join(f"{'-' * min(len(n), 2)}{n}" for n in name.split("/")) for name in names]


class _AboveProgressBar(logging.Handler):
    """Writes lines, those that are ``about`` something with advice, like errors."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # late, as help of all commands does without

        line = with_advice(self.format(record), getattr(record, "about", ""))
        tqdm.write(line, file=sys.stderr)
