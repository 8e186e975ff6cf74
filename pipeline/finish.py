"""From the network's output to the picture that is written. Nothing here reaches the recurrence."""

import math

import cv2
import numpy as np

from brushflow.common.errors import BrushflowError
from brushflow.models import deprocess
from brushflow.pipeline.contents import contents
from brushflow.pipeline.median import median
from brushflow.pipeline.stroke import at_full_size
from brushflow.pipeline.stylizer import Stylized


def finish(
    stylized: Stylized, median_filter: int = 0, keep_colors: bool = False, strength: float = 1.0
) -> np.ndarray:
    """The picture to write, RGB of the frame's type and size.

    A median filter of any odd width takes out single odd pixels (size kept, borders replicated); a
    painting of another size is brought to the frame's, see ``stroke.at_full_size``;
    ``keep_colors`` takes the colours of the frame and only the brightness of the painting;
    ``strength`` mixes frame (0) and painting (1). What fades to one colour fades from painting to
    frame.

    BrushflowError for a painting with values that are no numbers, which would be black.
    """
    frame = stylized.frame
    if stylized.output is None:
        return frame
    strength *= contents(frame)
    if strength == 0:
        return frame
    if not math.isfinite(float(stylized.output.sum())):
        raise BrushflowError(
            "The network painted what is no numbers: its weights are damaged, or too large for "
            "--precision fp16; choose fp32, or another --style."
        )
    picture = deprocess(stylized.output, 8 if frame.dtype == np.uint8 else 16)
    if median_filter > 1:
        picture = median(picture, median_filter)
    if stylized.seen is not None:
        picture = at_full_size(picture, stylized.seen, frame)
    if keep_colors:
        # YCrCb of BT.601: all of luma from the painting, both colour differences from the frame.
        painted = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
        source = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)
        picture = cv2.cvtColor(np.dstack([painted[..., 0], source[..., 1:]]), cv2.COLOR_YCrCb2RGB)
    if strength < 1:
        picture = cv2.addWeighted(picture, strength, frame, 1 - strength, 0)
    return picture
