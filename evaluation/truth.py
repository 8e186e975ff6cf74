"""Ground-truth motion of a rendered sequence, in the layout of the MPI Sintel dataset.

Butler et al., A Naturalistic Open Source Movie for Optical Flow Evaluation, ECCV 2012:
``final/SEQUENCE/frame_0001.png``, ``flow/SEQUENCE/frame_0001.flo`` (into the next frame),
``occlusions/SEQUENCE/frame_0001.png`` (white where the pixel is hidden in the next frame) and,
if there, ``invalid/SEQUENCE/frame_0001.png`` (white where the flow is not known).
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.wording import counted
from brushflow.evaluation.masks import Mask
from brushflow.flow import read_flo, stays_inside, warp_array
from brushflow.flow.types import Flow
from brushflow.video import read_image

UNKNOWN_FLOW = 1e9
_ALIKE = 1.0  # pixels that neighbouring vectors of one motion may differ by


@dataclass(frozen=True)
class TrueFlow:
    """True forward flow of one frame.

    ``flow``: float32 (H, W, 2), 0 where it is not known; ``known``: bool (H, W); ``visible``: bool
    (H, W), where the pixel is known and seen in the next frame, inside the picture.
    """

    flow: Flow
    known: Mask
    visible: Mask


def true_flow(flow: Flow, known: Mask | None = None, occluded: Mask | None = None) -> TrueFlow:
    """Put together what files tell; flow above 1e9 or not finite is unknown."""
    there: Mask = np.all(np.abs(flow) < UNKNOWN_FLOW, axis=2)
    if known is not None:
        there &= known
    filled = np.where(there[..., None], flow, np.float32(0))
    visible = there & stays_inside(filled)
    return TrueFlow(filled, there, visible if occluded is None else visible & ~occluded)


def compose(first: TrueFlow, then: TrueFlow) -> TrueFlow:
    """The flow of the earliest frame into the last, through the one that both share.

    Between four vectors it is interpolated where they agree to a pixel; across a motion boundary
    the nearest one counts, as anything between two motions is neither. A pixel that is hidden on
    the way is not visible, even if it comes back.
    """
    height, width = first.flow.shape[:2]
    place = first.flow + np.dstack(np.meshgrid(np.arange(width), np.arange(height)))
    row, column = (
        np.rint(place[..., axis]).clip(0, side - 1).astype(int)
        for axis, side in ((1, height), (0, width))
    )
    window = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(then.flow, window) - cv2.erode(then.flow, window)
    alike = (spread.max(2) <= _ALIKE)[row, column, None]
    onward = np.where(alike, warp_array(then.flow, first.flow), then.flow[row, column])
    flow = first.flow + onward
    visible = first.visible & then.visible[row, column] & stays_inside(flow)
    return TrueFlow(flow.astype(np.float32), visible, visible)


def read_mask(path: Path, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Read a black and white picture, True where it is white; ``size`` (H, W) is checked."""
    mask = read_image(path)[..., 0] > 127
    if mask.shape != tuple(size):
        raise BrushflowError(
            f"'{path}' is {mask.shape[1]}×{mask.shape[0]} but its flow is {size[1]}×{size[0]}."
        )
    return mask


class SintelTruth:
    """The true flow of one sequence of a dataset in Sintel's layout.

    Args:
        dataset: folder with ``flow`` and perhaps ``occlusions`` and ``invalid``.
        sequence: e.g. "alley_1".

    Raises:
        UsageError: there is no such sequence.
    """

    def __init__(self, dataset: Path | str, sequence: str) -> None:
        self.dataset = Path(dataset)
        self.sequence = sequence
        folder = self.dataset / "flow" / sequence
        self.files = sorted(folder.glob("*.flo")) if folder.is_dir() else []
        if not self.files:
            raise UsageError(
                f"There is no true flow of '{sequence}' in {self.dataset}: {folder} should hold "
                ".flo files. The sequence is named after the source's folder."
            )

    def __len__(self) -> int:
        return len(self.files)

    def __call__(self, index: int) -> TrueFlow:
        """The flow of frame ``index`` (from 0) into the next one; BrushflowError for damage."""
        if index >= len(self.files):
            raise BrushflowError(
                f"The true flow of '{self.sequence}' ends after "
                f"{counted(len(self.files), 'frame')}, but the source goes on; take the "
                "frames it was rendered with."
            )
        path = self.files[index]
        flow = read_flo(path)
        occluded, invalid = (
            self._mask(kind, path.stem, flow.shape[:2]) for kind in ("occlusions", "invalid")
        )
        return true_flow(flow, None if invalid is None else ~invalid, occluded)

    def _mask(self, kind: str, stem: str, size: tuple[int, ...]) -> Mask | None:
        path = self.dataset / kind / self.sequence / f"{stem}.png"
        return read_mask(path, size) if path.exists() else None
