"""A painting where a style is wanted: it is learned first, with a picture that grows better."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from brushflow.cli.commands import printable, stop_on_interrupt
from brushflow.cli.progress import ProgressDisplay
from brushflow.common.errors import UsageError
from brushflow.common.wording import counted
from brushflow.live.growing import Growing
from brushflow.models import learned_styles
from brushflow.models.model_file import BASE
from brushflow.pipeline import check_destination
from brushflow.video import IMAGE_SUFFIXES, Source, open_source, write_image

if TYPE_CHECKING:
    from brushflow.training import Progress

EFFORTS = ("quick", "normal", "fine")


class Learning:
    """The style that ``--style`` means: one that is there, or the model that paintings become.

    ``style`` is its name or file, before it is there. UsageError for several styles that are not
    all paintings, and for paintings that do not exist.
    """

    def __init__(
        self,
        styles: Sequence[str],
        blend: Sequence[float],
        effort: str,
        loss_weights: str,
        device: str,
        quiet: bool,
    ) -> None:
        self.paintings = [Path(style) for style in styles if _is_painting(style)]
        if len(self.paintings) < len(styles) > 1:
            raise UsageError(
                "Several styles are blended where all are paintings; name pictures, or one style."
            )
        if blend and not self.paintings:
            raise UsageError("--style-blend is for paintings, as in --style a.jpg --style b.jpg.")
        self.blend, self.effort, self.loss_weights = blend, effort, loss_weights
        self.device, self.quiet = device, quiet
        # Other processes may have another cache.
        self.style = str(learned_styles().get(styles[0], styles[0]))
        if self.paintings:
            # Not at the top: what it brings along takes longer to import than all the rest.
            from brushflow.training.learning import learned_place

            self.style = str(learned_place(self.paintings, effort, blend, loss_weights))

    @property
    def done(self) -> bool:
        """Whether there is nothing to learn."""
        return not self.paintings or Path(self.style).exists()

    def stand_in(self) -> str:
        """A style that takes as long to paint with, for an estimate; says what comes first."""
        if self.done:
            return self.style
        self._announce()
        return str(BASE)

    def learn(self, source: str | None, output: Path) -> None:
        """Learn the paintings if they are not known, first of all from what is to be painted.

        A picture beside ``output`` shows how they become, and goes when they are learned.
        """
        if self.done:
            return
        from brushflow.training.learning import learn_style

        look = output.with_name(f"{output.stem}.learning.jpg")
        if source is not None:
            check_destination(source, look, replace=True)
        self._announce()
        with stop_on_interrupt() as stop, ProgressDisplay(self.quiet) as display:
            learn_style(
                self.paintings,
                source,
                self.effort,
                blend=self.blend,
                loss_weights=self.loss_weights,
                device=self.device,
                progress=_Watch(display, source, look, self.quiet),
                stop=stop,
            )
        look.unlink(missing_ok=True)

    def _announce(self) -> None:
        from brushflow.training.learning import EFFORTS

        if not self.quiet:
            names = " and ".join(painting.name for painting in self.paintings)
            minutes = EFFORTS[self.effort].minutes
            text = f"{names}: not known yet, and learned first; "
            text += f"{counted(minutes, 'minute')} on two cores."
            click.echo(printable(text), err=True)


def _is_painting(style: str) -> bool:
    return Path(style).suffix.lower() in IMAGE_SUFFIXES


class _Watch:
    """Shows how far learning is, and paints a frame of the source now and then."""

    def __init__(
        self, display: ProgressDisplay, source: str | None, look: Path, quiet: bool
    ) -> None:
        self.display = display
        self.growing = Growing(_frame(open_source(source)) if source else None)
        self.look = look if source else None
        self.quiet = quiet

    def __call__(self, progress: "Progress") -> None:
        picture = self.growing(progress)
        if self.growing.just_known and not self.quiet:
            minutes = max(1, round((self.growing.seconds_left or 0) / 60))
            text = f"It takes about {counted(minutes, 'minute')} here."
            if self.look is not None:
                text += f" {self.look} shows how it becomes."
            click.echo(printable(text), err=True)
        self.display.show("learn", progress.iteration, progress.iterations, "step")
        if picture is not None and self.look is not None:
            write_image(self.look, picture)


def _frame(source: Source) -> np.ndarray:
    """A frame from near the source's beginning."""
    *_, last = islice(source.read(), 25)
    return last.pixels
