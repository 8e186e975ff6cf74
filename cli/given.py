"""What somebody has typed, against what each option is of use for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import click
from click.core import ParameterSource

from brushflow.cli.commands import GroupedOption
from brushflow.common.errors import UsageError
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.options import (
    FLAT,
    IMAGE,
    IMAGES,
    LIVE,
    SHEET,
    SPHERE,
    STREAM,
    VIDEO,
)
from brushflow.video import Source

# The kinds that options are for, in words, the widest first.
_WORDS = {
    frozenset({VIDEO, IMAGES, IMAGE}): "files",
    frozenset({VIDEO, IMAGES}): "videos",
    frozenset({IMAGES}): "images that make a video",
    frozenset({IMAGE}): "pictures",
    frozenset({LIVE}): "cameras and screens",
    frozenset({STREAM}): "streams",
}
_ARE = {VIDEO: "is a video", IMAGES: "is a set of images", IMAGE: "is a picture"}


@dataclass(frozen=True)
class Use:
    """Something to paint: its ``kinds`` as of ``OptionField``, and in a sentence what it is.

    ``name``: of the source.
    """

    kinds: frozenset[str]
    told: str
    name: str = ""


def use_of(source: Source, options: StylizeOptions, moments: int | None = None) -> Use:
    """What becomes of a source: a painting, or a contact sheet of some ``moments``."""
    kinds, name = options.uses(source), str(source.info.path)
    if moments:
        return Use(kinds | {SHEET}, "this makes a picture", name)
    return Use(kinds, f"{name} {next(told for kind, told in _ARE.items() if kind in kinds)}", name)


def live_use(name: str) -> Use:
    """A camera or screen that is painted as it happens."""
    return Use(frozenset({LIVE}), f"{name} is painted as it happens", name)


STREAM_USE = Use(frozenset({STREAM}), "- is a stream")


class Given:
    """The options that somebody has typed, also those with their usual values."""

    def __init__(self, ctx: click.Context) -> None:
        usual = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
        self._options = [
            option
            for option in ctx.command.params
            if isinstance(option, GroupedOption)
            and option.name
            and ctx.get_parameter_source(option.name) not in usual
        ]

    def check(self, uses: Sequence[Use]) -> None:
        """UsageError for an option that none of what is to be painted has a use for."""
        for option in self._options:
            kinds = option.kinds
            if kinds is None or not uses or any(use.kinds <= set(kinds) for use in uses):
                continue
            raise UsageError(_unfit(option, kinds, uses[-1]))


def _unfit(option: click.Option, kinds: Collection[str], use: Use) -> str:
    name = next(name for name in option.opts if name.startswith("--"))
    lacking = use.kinds - set(kinds)
    if lacking == {FLAT}:
        return (
            f"{name} is for spherical frames, and those of {use.name} are taken for flat ones; "
            f"leave it out or add --spherical."
        )
    if lacking == {SPHERE}:
        return (
            f"{name} is for flat frames, and those of {use.name} show a whole sphere; leave it "
            f"out or add --spherical off."
        )
    left, words = set(kinds), []
    for group, word in _WORDS.items():
        if group <= left:
            words.append(word)
            left -= group
    return f"{name} is for {', and for '.join(words)}; {use.told}, so leave it out."
