"""Video sequences prepared once and kept in a folder: pictures, and flow in KITTI's format.

    FOLDER/train/<video>/<first frame>/0.png  1.png …           frames in a row
                                       1.flow.png …             flow of frame 1 back to frame 0 …

The flow files are KITTI's 16-bit PNGs: displacements to 1/64 pixel, and in the third channel
whether the pixel can be traced. ``val`` beside ``train`` holds other videos.
"""

import os
import secrets
from collections.abc import Sequence as Sequences
from pathlib import Path
from typing import Any

import numpy as np

from brushflow.common.atomic_files import is_link, remove_own
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.flow import read_kitti, write_kitti
from brushflow.training.data.simulated import Sequence, Size
from brushflow.training.data.windows import Strip, draw_window
from brushflow.video import read_image, write_image

_ATTEMPTS = 20
_FILES = r"\d+(\.flow)?\.png"
_SIGNS = ("*/[!.]*/1.flow.png", "*/done.json")


def is_prepared(folder: Path) -> bool:
    """Whether this is a folder of prepared sequences rather than of videos."""
    return any(
        found
        for name in _SIGNS
        for part in ("train", "val")
        for found in (folder / part).glob(name)
    )


def find_sequences(folder: Path, part: str) -> list[Path]:
    """Folders of the sequences of ``part`` ("train" or "val"), sorted; UsageError if none."""
    found = sorted(path.parent for path in (folder / part).glob("*/[!.]*/0.png"))
    if not found and part == "train":
        raise UsageError(f"The prepared videos {folder} hold no sequences in {folder / part}.")
    return found


def write_strip(folder: Path, strip: Strip) -> None:
    """Write one sequence; the folder is there complete or not at all."""
    partial = folder.with_name(f".partial-{folder.name}-{secrets.token_hex(8)}")
    partial.mkdir(parents=True)
    for k, frame in enumerate(strip.frames):
        write_image(partial / f"{k}.png", frame)
    for k, (flow, certainty) in enumerate(zip(strip.flows, strip.maps, strict=True), 1):
        write_kitti(partial / f"{k}.flow.png", flow, certainty >= 0.5)
    remove_own(folder, _FILES)
    partial.replace(folder)


def remove_sequences(folder: Path) -> None:
    """Remove a video's folder, whole or not; UsageError if anything else is in it, or it is a link.

    Only what ``write_strip`` and ``prepare_video`` have written is removed.
    """
    if folder.is_dir() and not is_link(folder):
        for entry in list(folder.iterdir()):
            remove_own(entry, _FILES)
        remove_own(folder, r"done\.json")
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} is a link, or holds files that are not brushflow's; move it away or choose "
            f"another folder to prepare in."
        )


def read_strip(folder: Path, first: int, steps: int) -> Strip:
    """``steps`` steps of a sequence from frame number ``first`` on; BrushflowError if damaged."""
    frames = [read_image(folder / f"{first + k}.png") for k in range(steps + 1)]
    motion = [read_kitti(folder / f"{first + k}.flow.png") for k in range(1, steps + 1)]
    flows = [flow for flow, _ in motion]
    maps = [valid.astype(np.float32) for _, valid in motion]
    if len({array.shape[:2] for array in (*frames, *flows)}) > 1:
        raise BrushflowError(f"Pictures and flow in {folder} are not of one size.")
    return Strip(frames, flows, maps)


class PreparedClips:
    """Draws windows of prepared sequences; what is drawn depends on ``random`` only.

    ``sequences``: whatever ``_read`` finds them by; here it is their folders. ``place``: where
    they are, for messages.
    """

    def __init__(self, sequences: Sequences[Any], place: Path | None = None) -> None:
        self.sequences = list(sequences)
        self.place = place or self.sequences[0].parent.parent
        self._lengths: dict[Path, int] = {}

    def sequence(self, size: Size, steps: int, random: np.random.Generator) -> Sequence:
        """A sequence of ``steps`` steps in windows of ``size`` with motion in it."""
        last: Sequence | None = None
        for _ in range(_ATTEMPTS):
            sequence = self.sequences[random.integers(len(self.sequences))]
            chosen = random.random()
            longest = self._steps(sequence)
            if longest < steps:
                continue
            strip = self._read(sequence, int(chosen * (longest - steps + 1)), steps)
            if any(np.less(strip.frames[0].shape[:2], size)):
                raise UsageError(
                    f"The prepared videos have frames of {strip.frames[0].shape[1]}×"
                    f"{strip.frames[0].shape[0]}, smaller than the training windows of "
                    f"{size[1]}×{size[0]}; "
                    f"prepare them larger or take smaller windows.",
                    about="size_schedule",
                )
            last, useful = draw_window(strip, size, random)
            if useful:
                return last
        if last is None:
            raise UsageError(
                f"The prepared videos in {self.place} are shorter than the "
                f"{steps + 1} frames in a row that are asked for.",
                about="frame_steps_schedule",
            )
        return last

    def _steps(self, sequence: Any) -> int:
        folder = Path(sequence)
        if folder not in self._lengths:
            self._lengths[folder] = len(list(folder.glob("*.flow.png")))
        return self._lengths[folder]

    def _read(self, sequence: Any, first: int, steps: int) -> Strip:
        return read_strip(Path(sequence), first, steps)
