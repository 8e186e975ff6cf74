"""Moving a picture along a flow field."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_NO_BICUBIC = {"mps"}  # kinds of device whose sampler is bilinear at best
_LONGEST = (1 << 15) - 1  # side in pixels that OpenCV's remap takes


def warp(
    image: Tensor, flow: Tensor, interpolation: str = "bilinear", outside: Tensor | None = None
) -> Tensor:
    """Fetch every pixel from where the flow points: out(p) = image(p + flow(p)).

    Bilinear, or bicubic, which keeps more detail and may overshoot; whatever lies outside the
    picture counts as 0, so a sample less than one pixel outside fades towards 0. On the CPU, where
    no gradient is wanted, OpenCV does it, else PyTorch, which agree to rounding. Sampling
    positions are computed in float32 at least, also for a half precision picture: in half
    precision they would be wrong by whole pixels.

    Args:
        image: (N, C, h, w), any floating type, any range.
        flow: (N, H, W, 2) in pixels, (x, y), on the same device. Most often H, W = h, w; pixel
            (0, 0) is the upper left one of both.
        outside: (1, C, 1, 1), what a pixel becomes as a whole if its sample lies outside the
            picture by however little, or is no number, in place of fading (REFERENCE A7: what the
            original program does on a CPU).

    Returns:
        (N, C, H, W) of the type of ``image``.

    Raises:
        ValueError: the shapes do not fit together.
    """
    n = len(image)
    if flow.ndim != 4 or len(flow) != n or flow.shape[-1] != 2:
        raise ValueError(
            f"{n} pictures need a flow of shape {(n, 'H', 'W', 2)}, not {tuple(flow.shape)}"
        )
    if outside is not None:
        warped = warp(image, flow, interpolation)
        return torch.where(_inside(flow, image.shape[-2:]), warped, outside.to(warped))
    if interpolation == "bilinear" and _suits_opencv(image, flow):
        return _by_opencv(image, flow)
    return _by_torch(image, flow, interpolation, "zeros")


def warp_sharp(image: Tensor, flow: Tensor) -> Tensor:
    """``warp``, (N, C, H, W) too, by bicubic interpolation; outside the picture its edge goes on.

    What is fetched over and over, and shown, keeps its edges that way; and as the bicubic kernel
    reaches two pixels far, zeros outside would darken the border.
    """
    if _suits_opencv(image, flow):
        return _by_opencv(image, flow, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    return _by_torch(image, flow, "bicubic", "border")


def _by_torch(image: Tensor, flow: Tensor, interpolation: str, outside: str) -> Tensor:
    if interpolation == "bicubic" and image.device.type in _NO_BICUBIC:
        there = _by_torch(image.cpu(), flow.cpu(), interpolation, outside)
        return there.to(image.device)
    height, width = flow.shape[1:3]
    dtype = torch.promote_types(image.dtype, torch.float32)
    source = image.to(dtype)
    # grid_sample cannot tell positions along an axis of one pixel apart. A second, empty pixel is
    # what lies outside the picture anyway.
    if 1 in image.shape[-2:]:
        more = (0, int(image.shape[-1] == 1), 0, int(image.shape[-2] == 1))
        source = F.pad(source, more, "constant" if outside == "zeros" else "replicate")
    # Positions are measured from the centre, where floating point is finest, so that grid_sample's
    # way back to pixels costs as little as it can: about 1e-7 of the length.
    half_height, half_width = ((side - 1) / 2 for side in source.shape[-2:])
    grid = flow.to(dtype, copy=True)
    grid[..., 0] += torch.arange(width, dtype=dtype, device=image.device) - half_width
    grid[..., 1] += torch.arange(height, dtype=dtype, device=image.device)[:, None] - half_height
    grid /= grid.new_tensor([half_width, half_height])
    warped = F.grid_sample(source, grid, interpolation, outside, align_corners=True)
    return warped.to(image.dtype)


def _inside(flow: Tensor, size: torch.Size) -> Tensor:
    """(N, 1, H, W) bool: where the flow points into a picture of this size."""
    height, width = flow.shape[1:3]
    x = flow[..., 0] + torch.arange(width, device=flow.device)
    y = flow[..., 1] + torch.arange(height, device=flow.device)[:, None]
    return ((x >= 0) & (x <= size[1] - 1) & (y >= 0) & (y <= size[0] - 1))[:, None]


def _suits_opencv(image: Tensor, flow: Tensor) -> bool:
    """Whether the picture may be warped plane by plane, in a third of grid_sample's time."""
    wants_gradients = torch.is_grad_enabled() and (image.requires_grad or flow.requires_grad)
    plain = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (image, flow))
    sides = (*image.shape[-2:], *flow.shape[1:3])
    return plain and not wants_gradients and 0 < min(sides) <= max(sides) <= _LONGEST


def _by_opencv(
    image: Tensor,
    flow: Tensor,
    kernel: int = cv2.INTER_LINEAR,
    outside: int = cv2.BORDER_CONSTANT,
) -> Tensor:
    warped = image.new_empty(*image.shape[:2], *flow.shape[1:3])
    for planes, way, targets in zip(
        image.detach().numpy(), flow.detach().numpy(), warped.numpy(), strict=True
    ):
        for plane, target in zip(planes, targets, strict=True):
            _remap(plane, way, target, kernel, outside)
    return warped


def warp_array(picture: np.ndarray, flow: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
    """``warp`` of one picture as an array, bilinear; several times as fast on a processor.

    OpenCV interpolates exactly from version 5 on, and in steps of 1/32 pixel before.

    Args:
        picture: float32 (h, w) or (h, w, C), C 1, 3 or 4 for speed, any range.
        flow: float32 (H, W, 2) in pixels, (x, y).
        into: contiguous float32 of the result's shape, to be overwritten with it.

    Returns:
        float32 (H, W) or (H, W, C).
    """
    return _remap(picture, flow, into, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)


def _remap(
    picture: np.ndarray, flow: np.ndarray, into: np.ndarray | None, kernel: int, outside: int
) -> np.ndarray:
    way = np.ascontiguousarray(flow, np.float32)
    how = kernel | cv2.WARP_RELATIVE_MAP
    return cv2.remap(np.ascontiguousarray(picture), way, None, how, into, outside, 0)
