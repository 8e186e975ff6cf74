"""The geometry of a cube seen from its centre: where its faces look, and what they share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brushflow.errors import UsageError

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
    """Six square faces of ``size`` pixels that look beyond 90 degrees.

    ``overlap`` is what a face sees too much, in pixels over both sides (REFERENCE D1): its true
    borders lie half of it inside.
    """

    size: int
    overlap: int

    def check(self) -> "Cube":
        """Return the cube; UsageError if neighbours share too little or too much to blend."""
        if not _LEAST_OVERLAP <= self.overlap <= self.size // 2:
            raise UsageError(
                f"Faces of {self.size} pixels cannot overlap by {self.overlap}; choose "
                f"{_LEAST_OVERLAP} to {self.size // 2}, or larger faces."
            )
        return self

    @property
    def focal(self) -> float:
        """Pixels per unit at the distance 1: half of a true face."""
        return (self.size - self.overlap) / 2

    @property
    def centre(self) -> float:
        """The position of a face's middle, in pixels on both axes."""
        return (self.size - 1) / 2

    def rays(self, face: int, fineness: int = 1) -> Tensor:
        """The directions that the pixels of a face look in, float64 (S, S, 3).

        With ``fineness`` k there are k × k of them for each pixel, evenly spread.
        """
        place = (subpixels(self.size, fineness) - self.centre) / self.focal
        down, right = torch.meshgrid(place, place, indexing="ij")
        return torch.stack([right, down, torch.ones_like(right)], -1) @ ROTATIONS[face]

    def positions(self, face: int, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Where a face sees these directions (…, 3), and whether it does.

        Returns (x, y) in pixels, float64 (…, 2), which mean nothing behind the viewer, and bool
        (…): the position lies within the centres of the outermost pixels.
        """
        local = rays @ ROTATIONS[face].T
        ahead = local[..., 2] > 0
        depth = torch.where(ahead, local[..., 2], 1.0)
        place = local[..., :2] / depth[..., None] * self.focal + self.centre
        inside = (place >= -_ROUNDING) & (place <= self.size - 1 + _ROUNDING)
        return place, ahead & inside.all(-1)

    def weight(self, positions: Tensor) -> Tensor:
        """What a face says at these positions (…, 2) counts, from 1 down to 0 at its edge, (…).

        A linear ramp over the overlap on each side: two neighbours count alike at their border.
        """
        inside = self.size / 2 - (positions - self.centre).abs()
        return (inside / max(self.overlap, 1)).clamp(0, 1).prod(-1)


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
