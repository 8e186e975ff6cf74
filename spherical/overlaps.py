"""What neighbouring faces know of each other, and how their paintings become one."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from brushflow.flow import warp
from brushflow.spherical.cube import FACES, Cube, extent, neighbours

_FAR_OUTSIDE = -1e4  # pixels


@dataclass(frozen=True)
class Strip:
    """The part of a face that one neighbour sees too.

    ``rows`` and ``columns`` are its bounding box. ``flow`` (1, h, w, 2): from the box's pixels,
    counted from its own corner, into the neighbour; where the neighbour sees nothing it points far
    outside. ``weight`` (h, w): what the neighbour counts, 0 where it sees nothing.
    """

    rows: slice
    columns: slice
    flow: Tensor
    weight: Tensor


class Overlaps:
    """The strips of all six faces of a cube, and the two things they are for.

    A direction is painted by one, two or three faces. Each counts by how far inside its own
    picture it sees it (``Cube.weight``): the same for whichever face asks, so that all faces agree
    after ``blend``, on borders and in corners.
    """

    def __init__(self, cube: Cube, device: torch.device | str = "cpu") -> None:
        self.cube = cube
        places = (torch.arange(int(side), dtype=torch.float64) for side in cube.sides)
        grid = torch.stack(torch.meshgrid(*places, indexing="xy"), -1)
        self.own = cube.weight(grid).float().to(device)
        self.strips = [
            {other: _strip(cube, face, other, device) for other in neighbours(face)}
            for face in range(len(FACES))
        ]

    def seen(self, face: int, others: Mapping[int, Tensor]) -> tuple[Tensor, Tensor]:
        """What those of ``others``, by face, that are neighbours paint in this face's picture.

        Args:
            face: index in ``FACES``.
            others: (1, C, H, W) by face.

        Returns:
            The weighted mean (1, C, H, W), 0 where none of them sees anything, and the sum of
            their weights (H, W).
        """
        some = next(iter(others.values()))
        total = torch.zeros_like(some)
        weights = torch.zeros_like(self.own)
        for other, strip in self.strips[face].items():
            if other in others:
                moved = warp(others[other], strip.flow)
                total[..., strip.rows, strip.columns] += moved * strip.weight
                weights[strip.rows, strip.columns] += strip.weight
        return total / torch.where(weights > 0, weights, 1.0), weights

    def share(self, weights: Tensor) -> Tensor:
        """The neighbours' part, 0 to 1, of the mean of a face and what ``seen`` has returned."""
        return weights / (self.own + weights)

    def blend(self, faces: Tensor) -> Tensor:
        """Six paintings (6, C, H, W) that agree wherever two of them see the same."""
        by_face = dict(enumerate(faces.split(1)))
        blended = []
        for face, picture in by_face.items():
            around, weights = self.seen(face, by_face)
            blended.append(torch.lerp(picture, around, self.share(weights)))
        return torch.cat(blended)


def _strip(cube: Cube, face: int, other: int, device: torch.device | str) -> Strip:
    positions, seen = cube.positions(other, cube.rays(face))
    rows, columns = (extent(seen.any(axis)) for axis in (1, 0))
    positions, seen = positions[rows, columns], seen[rows, columns]
    height, width = seen.shape
    grid = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"), -1)
    flow = torch.where(seen[..., None], positions - grid, _FAR_OUTSIDE)
    weight = cube.weight(positions) * seen
    return Strip(rows, columns, flow[None].float().to(device), weight.float().to(device))
