"""Whether what was trained paints at all, in sentences for who trains it."""

import torch
from torch import Tensor

from brushflow.common.wording import counted
from brushflow.training.losses import coarse_luminance
from brushflow.training.options import ResolvedOptions
from brushflow.training.unroll import Step

# Measured: styles that ship follow the light of pictures to a third or more, networks of random
# weights not at all.
_LEAST_LIKENESS = 0.1
_HINT = "give more iterations, or begin from a style that paints, such as starry-night."


class Likeness:
    """How far the light of paintings follows that of their frames, over any number of steps.

    The slope of the luminance of outputs over that of frames, both without what is smaller than
    16 pixels: 1 for the frame itself, 0 for what shows nothing of it.
    """

    def __init__(self) -> None:
        self._together = self._alone = 0.0
        self._squares = 0

    def add(self, step: Step) -> None:
        """Take one more painted step into account."""
        frame, output = (_deviation(picture) for picture in (step.frame, step.output))
        self._together += float((frame * output).sum())
        self._alone += float(frame.square().sum())
        self._squares += frame.numel()

    @property
    def value(self) -> float:
        """1 where the frames had less to show than a grey level."""
        return self._together / self._alone if self._alone > self._squares else 1.0


def _deviation(picture: Tensor) -> Tensor:
    light = coarse_luminance(picture.detach().to(torch.float32))
    return light - light.mean(1, keepdim=True)


def foreseen(options: ResolvedOptions) -> str | None:
    """What a run will lack for being too short, None if nothing."""
    identity, last = options.identity_iterations, options.iterations
    whole = identity + options.style_ramp
    if last >= whole:
        return None
    if last <= identity:
        return (
            f"In {counted(last, 'iteration')} the network only learns to show the picture: the "
            f"style comes in after iteration {identity}, and is there as a whole at {whole}. It "
            f"will not paint; {_HINT}"
        )
    return (
        f"The style will be weak: it comes in until iteration {whole}, and training ends at "
        f"{last}; {_HINT}"
    )


def seen(likeness: float) -> str | None:
    """What paintings of this likeness to their frames lack, None if nothing."""
    if likeness >= _LEAST_LIKENESS:
        return None
    return (
        f"What was trained paints grey mush or blots: its light follows the picture's to "
        f"{max(0, round(100 * likeness))} % only. If it was the style that took over, lower "
        f"its strength; else {_HINT}"
    )
