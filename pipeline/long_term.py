"""What was painted stays painted: the long-term prior (Ruder et al. 2016, sec. 5.1).

The prior of a frame is the painting before it, moved: over ten frames that is ten interpolations
and ten answers of a network that never returns its prior exactly. So a shot has *anchors*, painted
frames that stay for as long as they show what no older one does. Flow between neighbours is
composed into flow from the frame at hand to each anchor, which then is moved once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from brushflow.common.sizes import resized
from brushflow.flow import resize_flow, warp_array, warp_sharp
from brushflow.models import upload

LONG_TERM = 1.0  # the usual share; with less of it, more is painted anew and trembles
# The share of the painting before, where no anchor shows anything: what is painted anew trembles,
# and what is moved again and again blurs.
RECENT = 0.65
# Grey levels, of 255, by which what is in sight may differ: up to the first it counts fully, from
# the second on not at all. Between them lie noise, compression and light that changes slowly.
_SAME, _OTHER = 8.0, 24.0
_WINDOW = 5  # pixels that differences are averaged over
# Strain of what composed flow does to strokes: up to the first it cannot be seen, from the second
# on it is a smear. Where all looks alike, as in dark water, no difference of sources tells.
_SOUND, _TORN = 0.06, 0.15
_EDGE = 0.15  # strain from one frame to the next, that is the edge of something that moves
_RIM = 0.03  # of the shorter side; so far a network paints otherwise along a border or an edge
# Pixels that a border may seem to move and yet stand still: in all, and from frame to frame.
_STILL, _CREEP = 0.5, 0.1
_COVERAGE = 0.93  # of the frame; where anchors show less of it, it becomes one
_PAUSE = 2  # frames from one anchor to the next, as there are places that none can show
_SHARE = 0.03  # of the frame; an anchor that alone shows less of it goes
_REACH = 2  # pixels that a bicubic kernel reaches out of a picture
MOST_ANCHORS = 2  # in sight at a time; of more, the one goes that shows least


@dataclass(frozen=True)
class Anchor:
    """A painted frame, and the way back to it.

    ``painting``: float32 (1, 3, H, W) in network space; on the grid that motion is found on:
    ``source``, float32 (h, w, 3) in 0–255, the frame; ``flow``, float32 (h, w, 2), in pixels of
    that grid from the frame at hand into the anchor; ``certainty``, float32 (h, w) in [0, 1].
    ``age``: frames since.
    """

    painting: Tensor
    source: np.ndarray
    flow: np.ndarray
    certainty: np.ndarray
    age: int = 0

    @classmethod
    def at(cls, painting: Tensor, source: np.ndarray) -> "Anchor":
        """A frame as its own anchor."""
        height, width = source.shape[:2]
        still = np.zeros((height, width, 2), np.float32)
        return cls(painting, source, still, np.ones((height, width), np.float32))

    def moved(self, flow: np.ndarray, reliability: np.ndarray) -> "Anchor":
        """The same, one frame later: F(x) = f(x) + F'(x + f(x)), C(x) = c(x)·C'(x + f(x)).

        ``flow`` f (h, w, 2) and ``reliability`` c (h, w) of the later frame. Their grid is the
        anchor's from then on: it is smaller after a run had no memory left for flow.
        """
        grid = flow.shape[:2]
        way = composed(flow, self.flow)
        certainty = reliability * warp_array(resized(self.certainty, grid[::-1]), flow)
        source = resized(self.source, grid[::-1])
        return replace(self, source=source, flow=way, certainty=certainty, age=self.age + 1)

    def sight(self, frame: np.ndarray) -> np.ndarray:
        """Where the anchor is in sight of ``frame`` (h, w, 3) and looks alike, (h, w) in [0, 1]."""
        red, green, blue = cv2.split(cv2.absdiff(warp_array(self.source, self.flow), frame))
        change = cv2.blur(cv2.max(cv2.max(red, green), blue), (_WINDOW, _WINDOW))
        alike = np.clip((_OTHER - change) / (_OTHER - _SAME), 0, 1)
        alike *= np.clip((_TORN - _strain(self.flow)) / (_TORN - _SOUND), 0, 1)
        alike *= _off_the_rim(self.flow, _STILL)
        # Painted and carried over meet in a ramp, not at a rim; and a short one, as both at once
        # are softer than either.
        sight = cv2.blur(self.certainty * alike, (_WINDOW, _WINDOW))
        return np.clip(2 * sight - 0.5, 0, 1)


def composed(flow: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """The way of ``flow`` (h, w, 2), and from there of ``earlier``, on the grid of ``flow``."""
    return flow + warp_array(resize_flow(earlier, flow.shape[:2]), flow)


def _calm(flow: np.ndarray, reliability: np.ndarray) -> np.ndarray:
    """The reliability (h, w) of what lies away from the edges of moving things.

    Around them a network paints a halo. Held by an anchor, it would stay where they were.
    """
    edges = (_strain(flow) > _EDGE) | (reliability < 0.5) | ~_off_the_rim(flow, _CREEP)
    edges[-1] = edges[:, -1] = False  # which the published check never believes
    side = 2 * round(_RIM * min(edges.shape)) + 1
    near = cv2.dilate(edges.astype(np.uint8), np.ones((side, side), np.uint8))
    return np.where(near, np.float32(0), reliability)


def _strain(flow: np.ndarray) -> np.ndarray:
    """How much a flow (h, w, 2) stretches or shrinks what it fetches, (h, w); 0: not at all.

    The norm of the Green-Lagrange strain ½(JᵀJ − 1), J the Jacobian of x + flow(x), smoothed: so
    shifts and rotations have none.
    """
    smooth = cv2.blur(flow, (_WINDOW, _WINDOW))
    # How (x, y) of the source change along x, and along y.
    xx, xy = cv2.split(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8))
    yx, yy = cv2.split(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8))
    xx, yy = xx + 1, yy + 1
    across = (xx * xx + xy * xy - 1) / 2
    upright = (yx * yx + yy * yy - 1) / 2
    shear = (xx * yx + xy * yy) / 2
    return np.sqrt(across * across + upright * upright + 2 * shear * shear)


def _off_the_rim(flow: np.ndarray, still: float) -> np.ndarray:
    """Where nothing that was along a border comes to lie inside, by ``still`` pixels; bool (h, w).

    There a network paints otherwise, or what comes in has got the border's own painting.
    """
    height, width = flow.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """From the nearest border, in pixels."""
        return np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))

    rim = _RIM * min(height, width)
    there = distance(x + flow[..., 0], y + flow[..., 1])
    inwards = distance(x, y) - there
    return (there >= rim) | (inwards <= still)


# The anchors of one picture, oldest first; None: that picture itself is to be one.
Anchors = tuple[Anchor | None, ...]


@dataclass(frozen=True)
class Memory:
    """What anchors show of a frame.

    ``picture``: their paintings moved to it, float32 (1, 3, H, W); ``sight``: where they are to be
    believed, float32 (H, W) in [0, 1]; ``anchors``: those that the next frame may use.
    """

    picture: Tensor
    sight: np.ndarray
    anchors: Anchors

    @classmethod
    def of(
        cls,
        anchors: Anchors,
        painting: Tensor,
        before: np.ndarray,
        frame: np.ndarray,
        found: tuple[np.ndarray, np.ndarray],
    ) -> "Memory":
        """Where several anchors show a thing, the oldest counts: so it stays the same for longest.

        ``painting`` (1, 3, H, W) is that of ``before``, the frame before ``frame``, both
        (H, W, 3); ``found``: flow and reliability between them, on the grid of the anchors.
        """
        flow, reliability = found
        grid, size = flow.shape[:2], (painting.shape[-2], painting.shape[-1])
        moved = [
            anchor.moved(flow, reliability)
            if anchor
            else Anchor.at(painting, shrunk(before, grid)).moved(flow, _calm(flow, reliability))
            for anchor in anchors
        ]
        small = shrunk(frame, grid)
        sight, most, shares = np.zeros(grid, np.float32), np.zeros(grid, np.float32), []
        chosen = np.zeros(grid, np.uint8)
        for number, anchor in enumerate(moved):
            own = anchor.sight(small) * (1 - sight)
            shares.append(float(own.mean()))
            sight += own
            chosen[own > most] = number
            np.maximum(most, own, out=most)
        shown = cv2.resize(sight, size[::-1], interpolation=cv2.INTER_LINEAR)
        kept = _kept(moved, shares, float(sight.mean()))
        return cls(gathered(moved, chosen, size), shown, kept)

    def believed(self, fitting: np.ndarray) -> Anchors:
        """The anchors, forgotten where what they show is not ``fitting`` (rows, columns)."""

        def less(anchor: Anchor) -> Anchor:
            height, width = anchor.certainty.shape
            share = cv2.resize(fitting, (width, height), interpolation=cv2.INTER_LINEAR)
            return replace(anchor, certainty=anchor.certainty * share)

        if fitting.all():
            return self.anchors
        return tuple(anchor and less(anchor) for anchor in self.anchors)


def gathered(anchors: Sequence[Anchor], chosen: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A frame of ``size`` (height, width), each pixel from one of the anchors, (1, 3, H, W).

    ``chosen``: their numbers, uint8 (h, w) on the anchors' grid. One, not a mix, as that is softer
    than either; by bicubic interpolation, as bilinear would take the edge off every stroke. Their
    paintings are moved as one picture, one below the other: once, however many anchors there are.
    """
    height, width = size
    wanted = [number for number in range(len(anchors)) if (chosen == number).any()]
    numbers = cv2.resize(chosen, (width, height), interpolation=cv2.INTER_NEAREST)
    way = np.empty((height, width, 2), np.float32)
    stack = []
    for place, number in enumerate(wanted):
        below = place * (height + 2 * _REACH) + _REACH
        flow = _held_inside(anchors[number].flow)
        there = cv2.add(resize_flow(flow, size), (0, below, 0, 0))
        cv2.copyTo(there, (numbers == number).astype(np.uint8), way)
        painting = anchors[number].painting
        stack += [painting[..., :1, :]] * _REACH + [painting] + [painting[..., -1:, :]] * _REACH
    picture = torch.cat(stack, 2)
    return warp_sharp(picture, upload(way, picture.device)[None])


def _held_inside(flow: np.ndarray) -> np.ndarray:
    """A flow (h, w, 2) that nowhere points out of the picture; what is no number points nowhere."""
    held = np.nan_to_num(flow)
    for axis, length in enumerate(flow.shape[1::-1]):
        places = np.arange(length, dtype=np.float32)
        here = places if axis == 0 else places[:, None]
        held[..., axis] = np.clip(held[..., axis] + here, 0, length - 1) - here
    return held


def _kept(anchors: list[Anchor], shares: list[float], coverage: float) -> Anchors:
    """Those that show enough, and the frame at hand where all together do not."""
    kept = [i for i, share in enumerate(shares) if share >= _SHARE]
    if kept and (coverage >= _COVERAGE or anchors[-1].age < _PAUSE):
        return tuple(anchors[i] for i in kept)
    most = sorted(kept, key=lambda i: shares[i])[-(MOST_ANCHORS - 1) :]
    return (*(anchors[i] for i in sorted(most)), None)


@dataclass(frozen=True)
class State:
    """What the next frame of a shot depends on.

    ``output``: the last painting, float32 (N, 3, H, W) in network space; ``anchors``: those of
    each of its N pictures; empty: the last painting is the anchor; ``drift``: how its clouds have
    moved, float32 (N, h, w, 2), see ``input_for``; None: not.
    """

    output: Tensor
    anchors: tuple[Anchors, ...] = ()
    drift: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name, on the CPU, for a file."""
        tensors = {"output": self.output.cpu().contiguous()}
        if self.drift is not None:
            tensors["drift"] = self.drift
        for number, anchors in enumerate(self.anchors):
            tensors[f"{number}.anchors"] = torch.tensor([anchor is not None for anchor in anchors])
            for place, anchor in enumerate(anchors):
                for name, value in (vars(anchor) if anchor else {}).items():
                    tensors[f"{number}.{place}.{name}"] = torch.as_tensor(value).cpu().contiguous()
        return tensors

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], device: torch.device) -> "State":
        """What ``tensors`` gave, on this device."""

        def anchor(place: str) -> Anchor:
            source, flow, certainty = (
                tensors[f"{place}.{name}"].numpy() for name in ("source", "flow", "certainty")
            )
            age = int(tensors[f"{place}.age"])
            return Anchor(tensors[f"{place}.painting"].to(device), source, flow, certainty, age)

        anchors = tuple(
            tuple(
                anchor(f"{number}.{place}") if there else None
                for place, there in enumerate(tensors[f"{number}.anchors"].tolist())
            )
            for number in range(len(tensors["output"]))
            if f"{number}.anchors" in tensors
        )
        return cls(tensors["output"].to(device), anchors, tensors.get("drift"))


def shrunk(frame: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A frame, uint8 or uint16 (H, W, 3), on the grid that motion is found on, in 0–255."""
    scale = np.float32(255 / np.iinfo(frame.dtype).max)
    smaller = cv2.resize(frame, grid[::-1], interpolation=cv2.INTER_AREA)
    return smaller.astype(np.float32) * scale
