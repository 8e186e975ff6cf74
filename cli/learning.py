"""A painting where a style is wanted: it is learned first, with a picture that grows better."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click
import numpy as np

from brushflow.cli.commands import printable, stop_on_interrupt
from brushflow.cli.progress import ProgressDisplay
from brushflow.common.errors import UsageError
from brushflow.common.sizes import fit_size, resized
from brushflow.common.wording import counted
from brushflow.models import StyleModel, learned_styles
from brushflow.models.model_file import BASE
from brushflow.pipeline import Stylizer, check_destination
from brushflow.pipeline.finishing import USUAL_HEIGHT, finish
from brushflow.video import IMAGE_SUFFIXES, Source, open_source, write_image

if TYPE_CHECKING:
    from brushflow.training import Progress

_LOOKS = 10  # how often the picture is painted while a painting is learned
_TRIAL = 4  # iterations after which it is known how fast this machine is
_AS_LONG = 1.3  # times as long as the first steps: all, as the last see two frames each


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
        self.frame = _frame(open_source(source)) if source else None
        self.look = look
        self.quiet = quiet
        self.times: list[float] = []

    def __call__(self, progress: "Progress") -> None:
        done, last = progress.iteration, progress.iterations
        self.times.append(monotonic())
        if len(self.times) == _TRIAL + 1 and not self.quiet:
            each = (self.times[-1] - self.times[0]) / _TRIAL
            minutes = max(1, round(_AS_LONG * each * (last - done) / 60))
            text = f"It takes about {counted(minutes, 'minute')} here."
            if self.frame is not None:
                text += f" {self.look} shows how it becomes."
            click.echo(printable(text), err=True)
        self.display.show("learn", done, last, "step")
        if self.frame is not None and done % max(1, last // _LOOKS) == 0:
            write_image(self.look, _painted(progress.model(), self.frame))


def _frame(source: Source) -> np.ndarray:
    """A frame from near the source's beginning, at the size that styles look best at."""
    size = fit_size((source.info.width, source.info.height), USUAL_HEIGHT, cover=True)
    *_, last = islice(source.read(), 25)
    return resized(last.pixels, size)


def _painted(model: StyleModel, frame: np.ndarray) -> np.ndarray:
    (stylized,) = Stylizer(model, independent=True).stylize([frame])
    return finish(stylized)
