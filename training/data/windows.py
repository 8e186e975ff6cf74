"""Windows of whole frames in a row, whose flow and reliability are known."""

from dataclasses import dataclass

import numpy as np
import torch

from brushflow.training.data.simulated import Sequence, Size, place_window, pointing_inside

# Mean displacement in pixels between which a window is worth learning from, and the share of it
# that must be traceable.
LEAST_MOTION, MOST_MOTION = 0.3, 24.0
LEAST_CERTAIN = 0.4


@dataclass(frozen=True)
class Strip:
    """n+1 frames in a row: RGB uint8 (H, W, 3); n backward flows (H, W, 2); n maps (H, W)."""

    frames: list[np.ndarray]
    flows: list[np.ndarray]
    maps: list[np.ndarray]


def draw_window(strip: Strip, size: Size, random: np.random.Generator) -> tuple[Sequence, bool]:
    """A random window, flipped half of the time, and whether its motion is worth learning from.

    What moves in across the window's border is uncertain there, as it is at a picture's border.
    """
    flip = random.random() < 0.5
    planes = torch.from_numpy(np.stack(strip.frames)).permute(0, 3, 1, 2)
    top, left = place_window(planes, *size, random)
    window = (slice(top, top + size[0]), slice(left, left + size[1]))
    frames = [plane[:, window[0], window[1]].float() for plane in planes]
    flows = [torch.from_numpy(np.ascontiguousarray(flow[window])) for flow in strip.flows]
    maps = [torch.from_numpy(np.ascontiguousarray(m[window]))[None] for m in strip.maps]
    if flip:
        frames = [frame.flip(2) for frame in frames]
        flows = [flow.flip(1) * torch.tensor([-1.0, 1.0]) for flow in flows]
        maps = [certainty.flip(2) for certainty in maps]
    certainties = [
        certainty * pointing_inside(flow) for certainty, flow in zip(maps, flows, strict=True)
    ]
    motion = float(torch.stack(flows).norm(dim=-1).mean())
    certain = float(torch.stack(certainties).mean())
    useful = LEAST_MOTION <= motion <= MOST_MOTION and certain >= LEAST_CERTAIN
    return Sequence(frames, flows, certainties), useful
