"""How visible borders are in a spherical picture, wherever they lie in its frame."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.spherical.cube import FACES, ROTATIONS, neighbours
from brushflow.spherical.panorama import EquirectSampler

# How far to both sides of a border is looked: farther, the scene is another one.
_REACH = math.radians(10)
_BESIDE = math.radians(2)  # nearer than this is the border, and not the inside
_PIECES = 6  # of an edge, each of which is compared with what lies across
_UNSEEN = 1.0  # grey levels; smaller differences are none
_HALF_EDGE = math.atan(1 / math.sqrt(2))  # from the middle of a cube's edge to its corner
_HALF_LINE = math.radians(60)  # of the line at ±180 degrees, poles left out
_POLE, _AROUND_POLE = math.radians(5), math.radians(30)


@dataclass(frozen=True)
class Seams:
    """Borders of one picture against what lies beside them; 1 is invisible, more is an edge.

    ``borders``: the twelve edges of the cube; ``line``: where the left border of an
    equirectangular frame meets the right one; ``poles``: the two poles. These are ratios of mean
    absolute gradients, so a border is a line there. ``steps``: the cube's edges as where something
    else begins, though no line be seen: the largest, over all faces, of three ratios, of how far
    light (RGB), contrast (deviation of luma) and texture (mean absolute gradient along the edge)
    differ between the bands of 5° on both sides, to how far they differ between bands on one side
    that lie as far apart. ``border_error``: mean squared difference of the two pixels on either
    side of a cube's edge, in squared grey levels (0–255), and ``inner_error`` the same beside it.
    """

    borders: float
    steps: float
    line: float
    poles: float
    border_error: float
    inner_error: float


class SeamMeasure:
    """Measures equirectangular pictures of one size.

    A border is made the equator of a small map of its surroundings, with rows parallel to it as
    far apart as the picture's pixels. So the gradient across it and those across parallels of it
    are taken at the same distance on the sphere and can be compared. This is the gradient ratio of
    Ruder et al. 2018 (REFERENCE D5), which compares a border's line in a face with all of it, where
    pixels are of unlike size.
    """

    def __init__(self, width: int, height: int) -> None:
        step = math.pi / height
        pairs = [(a, b) for a in range(len(FACES)) for b in neighbours(a) if a < b]
        forward = ROTATIONS[:, 2]
        self._faces = [[i for i, pair in enumerate(pairs) if face in pair] for face in range(6)]
        edges = [
            _along(forward[a] - forward[b], forward[a] + forward[b], _HALF_EDGE, step)
            for a, b in pairs
        ]
        right, back = ROTATIONS[0, 0], forward[FACES.index("back")]
        self._edges = [EquirectSampler(width, height, rays) for rays in edges]
        self._line = EquirectSampler(width, height, _along(right, back, _HALF_LINE, step))
        self._poles = [_pole(forward[FACES.index(name)], step) for name in ("up", "down")]
        self._pole_samplers = [EquirectSampler(width, height, rays) for rays, _ in self._poles]
        self._inside = _inside(step)

    def __call__(self, picture: Tensor) -> Seams:
        """Measure a picture (1, 3, H, W), RGB in 0–255."""
        maps = [sampler(picture) for sampler in self._edges]
        across = torch.cat([_jumps(around) for around in maps], -1)
        border, inner = _middle(across), across[:, :, self._inside]
        line = _jumps(self._line(picture))
        near, around = [], []
        for (_, angle), sampler in zip(self._poles, self._pole_samplers, strict=True):
            view = sampler(picture)
            slope = torch.hypot(view.diff(dim=2)[..., 1:], view.diff(dim=3)[:, :, 1:])
            near.append(slope[..., angle < _POLE])
            around.append(slope[..., (angle > 2 * _POLE) & (angle < _AROUND_POLE)])
        return Seams(
            _ratio(border, inner),
            max(_steps([maps[edge] for edge in face]) for face in self._faces),
            _ratio(_middle(line), line[:, :, self._inside]),
            _ratio(torch.cat(near, -1), torch.cat(around, -1)),
            float(border.square().mean()),
            float(inner.square().mean()),
        )


def perspective(yaw: float, pitch: float, size: int, field: float = 90.0) -> Tensor:
    """The directions of a flat view, float64 (size, size, 3); all angles in degrees.

    ``yaw`` turns to the right, ``pitch`` up; ``field`` is the angle of view.
    """
    place = (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1
    place = place * math.tan(math.radians(field) / 2)
    down, right = torch.meshgrid(place, place, indexing="ij")
    rays = torch.stack([right, down, torch.ones_like(right)], -1)
    a, b = math.radians(yaw), math.radians(pitch)
    nod = torch.tensor(
        [[1, 0, 0], [0, math.cos(b), math.sin(b)], [0, -math.sin(b), math.cos(b)]]
    ).double()
    turn = torch.tensor(
        [[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]]
    ).double()
    return rays @ nod @ turn


def _along(normal: Tensor, middle: Tensor, half_length: float, step: float) -> Tensor:
    """A map of what surrounds a piece of a great circle, which lies between its middle rows."""
    normal, middle = F.normalize(normal, dim=0), F.normalize(middle, dim=0)
    side = torch.linalg.cross(normal, middle)
    count = round(_REACH / step)
    away = (torch.arange(-count, count, dtype=torch.float64) + 0.5) * step
    count = round(half_length / step)
    along = (torch.arange(-count, count, dtype=torch.float64) + 0.5) * step
    away, along = torch.meshgrid(away, along, indexing="ij")
    on_circle = along.cos()[..., None] * middle + along.sin()[..., None] * side
    return away.cos()[..., None] * on_circle + away.sin()[..., None] * normal


def _inside(step: float) -> Tensor:
    """Which of the differences between rows of such a map are not at the border."""
    count = round(_REACH / step)
    away = torch.arange(1 - count, count, dtype=torch.float64) * step
    return away.abs() > _BESIDE


def _jumps(around: Tensor) -> Tensor:
    """Differences between neighbouring rows of the map around a border."""
    return around.diff(dim=2).abs()


def _steps(maps: list[Tensor]) -> float:
    """See ``Seams.steps``; maps around edges, (1, 3, 2R, L), with the edge in the middle."""
    pieces = [piece for around in maps for piece in around.chunk(_PIECES, -1)]
    # Far, near, near, far: an edge lies between the two that are near.
    stats = [[_band(band) for band in piece.chunk(4, 2)] for piece in pieces]
    ratios = []
    for kind in range(3):
        bands = [[band[kind] for band in piece] for piece in stats]
        over = [float((b - c).abs().mean()) for _, b, c, _ in bands]
        beside = [float(((a - b).abs() + (c - d).abs()).mean() / 2) for a, b, c, d in bands]
        ratios.append((sum(over) + len(over) * _UNSEEN) / (sum(beside) + len(over) * _UNSEEN))
    return max(ratios)


def _band(band: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Light (3,), contrast and texture of a part of a picture (1, 3, H, W)."""
    luma = band.mean(1)
    return band.mean((0, 2, 3)), luma.std(), luma.diff(dim=-1).abs().mean()


def _middle(jumps: Tensor) -> Tensor:
    return jumps[:, :, jumps.shape[2] // 2]


def _pole(pole: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """A flat view of a pole, and the angle from it of the places between its pixels."""
    rays = perspective(0, -90 * float(pole[1]), round(2 * _AROUND_POLE / step), 80)
    angle = (F.normalize(rays, dim=-1) @ pole).clamp(-1, 1).acos()
    return rays, angle[1:, 1:]


def _ratio(a: Tensor, b: Tensor) -> float:
    return float(a.mean() / b.mean().clamp(min=1e-9))
