"""The geometry of a cube seen from its centre: where its faces look, and what they share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brushflow.common.errors import UsageError

# In the order they are painted in (REFERENCE D1): forward, its two sides, the opposite, the poles.
FACES = ("front", "left", "right", "back", "up", "down")
# Where a face's right, lower and forward axis point. The poles are seen with the head tilted from
# the front: the lower edge of "up" and the upper edge of "down" touch it.
AXES = {
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "left": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "right": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "back": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "up": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "down": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
# Row i: the axes of face i.
ROTATIONS = torch.tensor([AXES[name] for name in FACES], dtype=torch.float64)

_LEAST_OVERLAP = 16  # pixels; interpolation looks two beyond the border, blending needs some more
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Cube:
    """Six faces that look beyond 90 degrees, most often squares of ``size`` pixels.

    ``overlap`` is what a face sees too much, in pixels over both sides (REFERENCE D1): its true
    borders lie half of it inside. ``height`` and ``overlap_down`` are the same vertically, where
    they differ; a true face spans 90 degrees on both axes all the same. With ``turned_poles`` the
    faces "up" and "down" lie the other way up, as transform360 has them for who looks at its face
    6.
    """

    size: int
    overlap: int
    height: int | None = None
    overlap_down: int | None = None
    turned_poles: bool = False

    def check(self) -> "Cube":
        """Return the cube; UsageError if neighbours share too little or too much to blend."""
        for side, overlap in zip(self.sides.tolist(), self.overlaps.tolist(), strict=True):
            if not _LEAST_OVERLAP <= overlap <= side // 2:
                raise UsageError(
                    f"Faces of {side} pixels cannot overlap by {overlap}; choose "
                    f"{_LEAST_OVERLAP} to {side // 2}, or larger faces."
                )
        return self

    @property
    def sides(self) -> Tensor:
        """Width and height, int64 (2,)."""
        return torch.tensor([self.size, self.height or self.size])

    @property
    def overlaps(self) -> Tensor:
        """What a face sees too much across and down, int64 (2,)."""
        down = self.overlap if self.overlap_down is None else self.overlap_down
        return torch.tensor([self.overlap, down])

    @property
    def focals(self) -> Tensor:
        """Pixels per unit at the distance 1, half of a true face, on both axes, float64 (2,)."""
        return (self.sides - self.overlaps).double() / 2

    @property
    def focal(self) -> float:
        """The larger one of both."""
        return float(self.focals.max())

    @property
    def centres(self) -> Tensor:
        """The position (x, y) of a face's middle, in pixels, float64 (2,)."""
        return (self.sides - 1).double() / 2

    def rotation(self, face: int) -> Tensor:
        """Where the face's right, lower and forward axis point, float64 (3, 3)."""
        if self.turned_poles and FACES[face] in ("up", "down"):
            return ROTATIONS[face] * torch.tensor([[-1.0], [-1.0], [1.0]], dtype=torch.float64)
        return ROTATIONS[face]

    def rays(self, face: int, fineness: int = 1) -> Tensor:
        """The directions that the pixels of a face look in, float64 (H, W, 3).

        With ``fineness`` k there are k × k of them for each pixel, evenly spread.
        """
        across, along = (
            (subpixels(int(side), fineness) - centre) / focal
            for side, centre, focal in zip(self.sides, self.centres, self.focals, strict=True)
        )
        down, right = torch.meshgrid(along, across, indexing="ij")
        return torch.stack([right, down, torch.ones_like(right)], -1) @ self.rotation(face)

    def positions(self, face: int, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Where a face sees these directions (…, 3), and whether it does.

        Returns (x, y) in pixels, float64 (…, 2), which mean nothing behind the viewer, and bool
        (…): the position lies within the centres of the outermost pixels.
        """
        local = rays @ self.rotation(face).T
        ahead = local[..., 2] > 0
        depth = torch.where(ahead, local[..., 2], 1.0)
        place = local[..., :2] / depth[..., None] * self.focals + self.centres
        inside = (place >= -_ROUNDING) & (place <= self.sides - 1 + _ROUNDING)
        return place, ahead & inside.all(-1)

    def weight(self, positions: Tensor) -> Tensor:
        """What a face says at these positions (…, 2) counts, from 1 down to 0 at its edge, (…).

        A linear ramp over the overlap on each side: two neighbours count alike at their border.
        """
        inside = self.sides / 2 - (positions - self.centres).abs()
        return (inside / self.overlaps.clamp(min=1)).clamp(0, 1).prod(-1)


def subpixels(count: int, fineness: int) -> Tensor:
    """Positions of ``fineness`` points evenly spread in each of ``count`` pixels, float64."""
    steps = torch.arange(count * fineness, dtype=torch.float64)
    return (steps + 0.5) / fineness - 0.5


def facing(rays: Tensor) -> Tensor:
    """The face that these directions (…, 3) belong to: the one they are closest to, int64 (…)."""
    return (rays @ ROTATIONS[:, 2].T).argmax(-1)


def neighbours(face: int) -> list[int]:
    """The four faces that share a border with this one."""
    likeness = ROTATIONS[:, 2] @ ROTATIONS[face, 2]
    return [other for other in range(len(FACES)) if likeness[other] == 0]


def extent(line: Tensor) -> slice:
    """From the first to the last true element of a bool (N,), which has one."""
    places = line.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1)
