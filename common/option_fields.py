"""What there is to know of an option: it stands with the field of a dataclass that it fills."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field
from typing import Any


@dataclass(frozen=True)
class OptionField:
    """An option, as commands, their help and their checks read it.

    ``help``: a sentence, in which the name of a field in braces stands for that field's option;
    ``group``: the heading it is listed under. ``names``: of the option, where they are not the
    field's, without leading dashes, as ``on/off`` where it is switched either way. ``choices``:
    all values there are, and ``also`` other spellings of some; ``least`` and ``most``: the range,
    both included. ``written``: how people write the value, a key of ``cli.option_types``, where
    its type does not say it. ``metavar``: stands for the value in the help; ``bare``: the value
    where none is written. ``repeated``: the option may be given several times. ``kinds``: what it
    is of use for, None if for anything.
    """

    help: str
    group: str
    names: Sequence[str] = ()
    choices: Sequence[Any] = ()
    also: Mapping[str, str] | None = None
    least: float | None = None
    most: float | None = None
    written: str = ""
    metavar: str | None = None
    bare: str | None = None
    repeated: bool = False
    kinds: Collection[str] | None = None


_KEY = "option"


def option_field(default: Any, help: str, **about: Any) -> Any:
    """A dataclass's field with what there is to know of its option; MISSING is no default."""
    known = {} if default is MISSING else {"default": default}
    return field(metadata={_KEY: OptionField(help, **about)}, **known)


def option_of(field: "Field[Any]") -> OptionField:
    """What there is to know of a field's option."""
    option: OptionField = field.metadata[_KEY]
    return option
