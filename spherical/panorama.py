"""Between the frames of a spherical video and the faces of a cube: one resampling each way."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from brushflow.common.errors import UsageError
from brushflow.flow import warp
from brushflow.spherical.cube import FACES, Cube, extent, facing, subpixels

LAYOUTS = ("equirect", "cubemap")
# Three tiles above three, as ffmpeg's c3x2 and transform360 lay them out.
TILES = (("right", "left", "up"), ("down", "front", "back"))
# How many pictures a frame of stereo holds beside and above each other.
_EYES = {"none": (1, 1), "top-bottom": (1, 2), "left-right": (2, 1)}

_MARGIN = 4  # pixels around a picture, for interpolation at its border
_OVERLAP = 1 / 6  # of a face's size (REFERENCE D1)
# Finer sampling begins where this many pixels of the source fall on one of the result.
_SHRINKS = 1.1


def default_cube(width: int, height: int, layout: str) -> Cube:
    """A cube whose faces are in their middle as fine as frames of this size."""
    true = width / 3 if layout == "cubemap" else max(width, 2 * height) / math.pi
    size = max(32, 4 * math.ceil(true / (1 - _OVERLAP) / 4))
    return Cube(size, max(16, 2 * round(size * _OVERLAP / 2)))


@dataclass(frozen=True)
class SphereFrames:
    """How frames hold a sphere, or two in stereo, and the faces that they are painted on.

    ``layout``: of an eye's picture, see ``Panorama``; ``stereo``: "none", "top-bottom" or
    "left-right"; ``face_size``, ``overlap``: of the faces in pixels, None: what suits the frames.
    """

    layout: str = "equirect"
    stereo: str = "none"
    face_size: int | None = None
    overlap: int | None = None

    @property
    def eyes(self) -> tuple[int, int]:
        """How many pictures a frame holds beside and above each other."""
        return _EYES[self.stereo]

    def eye(self, width: int, height: int) -> tuple[int, int]:
        """The size of an eye's picture; UsageError where frames of this size have no two alike."""
        across, down = self.eyes
        if width % across or height % down:
            raise UsageError(
                f"Frames of {width}×{height} pixels do not hold two pictures of one size.",
                about="stereo",
            )
        return width // across, height // down

    def parted(self, frame: np.ndarray) -> list[np.ndarray]:
        """The pictures of the eyes in a frame (H, W, 3)."""
        across, down = self.eyes
        return [eye for row in np.split(frame, down) for eye in np.split(row, across, axis=1)]

    def cube(self, width: int, height: int) -> Cube:
        """The faces that frames of this size are painted on; UsageError if they cannot be."""
        cube = default_cube(*self.eye(width, height), self.layout)
        if self.face_size is not None:
            cube = Cube(self.face_size, max(16, round(self.face_size * cube.overlap / cube.size)))
        return replace(cube, overlap=self.overlap or cube.overlap).check()


class Panorama:
    """Frames of one size and layout, and a cube.

    Bicubic, at exact positions (nothing is rounded to a grid of its own); where the result is
    coarser than what it is made from, the mean of several samples in each pixel.

    Args:
        width, height: of the frames in pixels.
        layout: "equirect", or "cubemap" (3 × 2 tiles of 90 degrees).
        cube: of the faces.

    Raises:
        UsageError: a cubemap whose tiles are not square.
    """

    def __init__(
        self, width: int, height: int, layout: str, cube: Cube, device: torch.device | str = "cpu"
    ) -> None:
        self.cube = cube
        self._tiles: _Tiles | None = None
        self._to_faces: Sequence[Callable[[Tensor], Tensor]]
        if layout == "cubemap":
            tile = width // 3
            if (3 * tile, 2 * tile) != (width, height):
                raise UsageError(
                    f"A cubemap has three by two square tiles, but the frames are "
                    f"{width}×{height}.",
                    about="cubemap",
                )
            self._tiles = _Tiles(tile, device)
            density = tile / 2
        else:
            density = max(width / (2 * math.pi), height / math.pi)  # pixels per radian
        k = _fineness(density / cube.focal)
        if self._tiles is None:
            self._to_faces = [
                _FromEquirect(width, height, cube.rays(face, k), k, device) for face in range(6)
            ]
        else:
            finest = self._tiles.padded
            self._to_faces = [_FromCube(finest, cube.rays(face, k), k, device) for face in range(6)]
        k = _fineness(cube.focal / density)
        rays = equirect_rays(width, height, k) if self._tiles is None else self._tiles.rays(k)
        self._to_frame = _FromCube(cube, rays, k, device)

    def faces(self, frame: Tensor) -> Tensor:
        """A frame (1, C, H, W) of any range as faces (6, C, size, size)."""
        source = _surrounded(frame) if self._tiles is None else self._tiles.cut(frame)
        return torch.cat([resample(source) for resample in self._to_faces])

    def frame(self, faces: Tensor) -> Tensor:
        """Faces (6, C, size, size) that agree where they overlap as one frame (1, C, H, W)."""
        return self._to_frame(faces)

    def faces_of(self, frame: np.ndarray) -> np.ndarray:
        """A frame as people store it, uint8 or uint16 (H, W, 3), as faces (6, size, size, 3)."""
        picture = torch.from_numpy(frame.astype(np.float32)).permute(2, 0, 1)[None]
        faces = self.faces(picture.to(self._to_frame.device)).permute(0, 2, 3, 1)
        faces = faces.round().clamp_(0, np.iinfo(frame.dtype).max)
        return faces.cpu().numpy().astype(frame.dtype)


def equirect_rays(width: int, height: int, fineness: int = 1) -> Tensor:
    """The directions that the pixels of an equirectangular picture look in, float64 (H, W, 3)."""
    longitude = ((subpixels(width, fineness) + 0.5) / width - 0.5) * 2 * math.pi
    latitude = ((subpixels(height, fineness) + 0.5) / height - 0.5) * math.pi
    latitude, longitude = torch.meshgrid(latitude, longitude, indexing="ij")
    across = latitude.cos()
    return torch.stack([across * longitude.sin(), latitude.sin(), across * longitude.cos()], -1)


def equirect_positions(width: int, height: int, rays: Tensor) -> Tensor:
    """Where an equirectangular picture shows these directions (…, 3): (x, y) in pixels, (…, 2)."""
    right, down, forward = rays.unbind(-1)
    longitude = torch.atan2(right, forward)
    latitude = torch.atan2(down, torch.hypot(right, forward))
    x = (longitude / (2 * math.pi) + 0.5) * width - 0.5
    return torch.stack([x, (latitude / math.pi + 0.5) * height - 0.5], -1)


class EquirectSampler:
    """Looks along ``rays`` (H, W, 3) in equirectangular pictures, for views and measurements."""

    def __init__(self, width: int, height: int, rays: Tensor) -> None:
        self._resample = _FromEquirect(width, height, rays, 1, "cpu")

    def __call__(self, picture: Tensor) -> Tensor:
        """What a picture (1, C, h, w) shows there, (1, C, H, W)."""
        return self._resample(_surrounded(picture))


@dataclass(frozen=True)
class _Piece:
    """What one face gives to a box of a picture: from where, and for which of the box's pixels."""

    face: int
    rows: slice
    columns: slice
    flow: Tensor
    mask: Tensor


class _FromEquirect:
    """A picture that looks along ``rays`` (kH, kW, 3), from a surrounded equirectangular one."""

    def __init__(
        self, width: int, height: int, rays: Tensor, fineness: int, device: torch.device | str
    ) -> None:
        positions = equirect_positions(width, height, rays) + _MARGIN
        self.flow = _flow(positions).to(device)
        self.fineness = fineness

    def __call__(self, picture: Tensor) -> Tensor:
        return _coarsened(warp(picture, self.flow, "bicubic"), self.fineness)


class _FromCube:
    """A picture that looks along ``rays`` (kH, kW, 3), each taken from the face it belongs to."""

    def __init__(
        self,
        cube: Cube,
        rays: Tensor,
        fineness: int,
        device: torch.device | str,
        interpolation: str = "bicubic",
    ) -> None:
        self.shape = rays.shape[:2]
        self.fineness = fineness
        self.device = device
        self.interpolation = interpolation
        owner = facing(rays)
        self.pieces = []
        for face in range(len(FACES)):
            mask = owner == face
            if not mask.any():
                continue
            rows, columns = (extent(mask.any(axis)) for axis in (1, 0))
            positions, _ = cube.positions(face, rays[rows, columns])
            flow = _flow(positions.clamp(min=0).minimum((cube.sides - 1).double()))
            self.pieces.append(
                _Piece(face, rows, columns, flow.to(device), mask[rows, columns].to(device))
            )

    def __call__(self, faces: Tensor) -> Tensor:
        picture = faces.new_zeros(1, faces.shape[1], *self.shape)
        for piece in self.pieces:
            box = picture[..., piece.rows, piece.columns]
            fetched = warp(faces[piece.face, None], piece.flow, self.interpolation)
            box.copy_(torch.where(piece.mask, fetched, box))
        return _coarsened(picture, self.fineness)


class _Tiles:
    """The tiles of a cubemap, and the same with a margin that shows what their neighbours see."""

    def __init__(self, tile: int, device: torch.device | str) -> None:
        self.tile = tile
        self.padded = Cube(tile + 2 * _MARGIN, 2 * _MARGIN)
        bare = Cube(tile, 0)
        self._pad = [
            _FromCube(bare, self.padded.rays(face), 1, device, "bilinear") for face in range(6)
        ]

    def rays(self, fineness: int) -> Tensor:
        """The directions of a whole cubemap, (2T, 3T, 3)."""
        bare = Cube(self.tile, 0)
        rows = [[bare.rays(FACES.index(name), fineness) for name in row] for row in TILES]
        return torch.cat([torch.cat(row, 1) for row in rows], 0)

    def cut(self, frame: Tensor) -> Tensor:
        """A cubemap (1, C, 2T, 3T) as faces with a margin."""
        cut = {
            name: frame[
                ..., y * self.tile : (y + 1) * self.tile, x * self.tile : (x + 1) * self.tile
            ]
            for y, row in enumerate(TILES)
            for x, name in enumerate(row)
        }
        tiles = torch.cat([cut[name] for name in FACES])
        padded = torch.cat([pad(tiles) for pad in self._pad])
        inside = slice(_MARGIN, _MARGIN + self.tile)
        padded[..., inside, inside] = tiles
        return padded


def _fineness(ratio: float) -> int:
    """Samples per pixel and axis, where ``ratio`` pixels of the source fall on one."""
    return 1 if ratio <= _SHRINKS else math.ceil(ratio)


def _coarsened(picture: Tensor, fineness: int) -> Tensor:
    return F.avg_pool2d(picture, fineness) if fineness > 1 else picture


def _flow(positions: Tensor) -> Tensor:
    """Positions (H, W, 2) as a flow (1, H, W, 2), float32."""
    height, width = positions.shape[:2]
    grid = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"), -1)
    return (positions - grid)[None].float()


def _surrounded(picture: Tensor) -> Tensor:
    """An equirectangular picture with a margin of what lies beyond its borders.

    Beyond the left border is the right one; beyond a pole the picture comes down again on the
    other side of the sphere.
    """
    half = picture.shape[-1] // 2
    above = picture[..., :_MARGIN, :].flip(-2).roll(half, -1)
    below = picture[..., -_MARGIN:, :].flip(-2).roll(half, -1)
    tall = torch.cat([above, picture, below], -2)
    return torch.cat([tall[..., -_MARGIN:], tall, tall[..., :_MARGIN]], -1)
