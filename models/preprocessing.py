"""Between pictures as people store them and pictures as the networks see them.

Network space is that of the Caffe VGG networks and of the original programs: channels BGR,
0–255, minus the mean of ImageNet.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

VGG_MEAN_BGR = (103.939, 116.779, 123.68)
# How a network may see pictures: as the Caffe VGG, or as torchvision's networks and Torch's ResNet,
# RGB in [0, 1] minus a mean, over a standard deviation.
PREPROCESSINGS = ("vgg", "resnet")
_RESNET_MEAN = (0.485, 0.456, 0.406)
_RESNET_DEVIATION = (0.229, 0.224, 0.225)


def upload(array: np.ndarray, device: torch.device | str) -> Tensor:
    """An array of any shape on a device, type and all; on the CPU it shares its memory.

    To CUDA it goes by way of page-locked memory, so that the caller need not wait for all the
    work that lies before it on the device.
    """
    tensor = torch.from_numpy(array)
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def preprocess(frame: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """RGB uint8 or uint16 (H, W, 3) to float32 (1, 3, H, W) in network space.

    The picture crosses to the device in its own integers and is converted there.
    """
    if frame.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a frame is uint8 or uint16, not {frame.dtype}")
    scale = 255.0 / np.iinfo(frame.dtype).max
    # Planes are made of integers, a quarter of the bytes; NumPy does that faster than torch.
    planes = np.ascontiguousarray(frame.transpose(2, 0, 1)[::-1])
    if frame.dtype == np.uint16:
        planes = planes.astype(np.int32)  # torch has few operations on uint16
    bgr = upload(planes, device)[None].to(torch.float32)
    return bgr.mul_(scale).sub_(_mean(bgr))


def deprocess(picture: Tensor, bit_depth: int = 8) -> np.ndarray:
    """Network space (1, 3, H, W) to RGB (H, W, 3): uint8, or uint16 for a bit depth above 8.

    Values are clamped to the range and rounded to the nearest integer.
    """
    top = 255 if bit_depth == 8 else 65535
    bgr = (picture + _mean(picture))[0].mul_(top / 255.0).round_().clamp_(0, top)
    blue, green, red = bgr.to(torch.uint8 if bit_depth == 8 else torch.int32)
    rgb = torch.stack((red, green, blue), -1)
    return rgb.cpu().numpy().astype(np.uint8 if bit_depth == 8 else np.uint16, copy=False)


def to_rgb(picture: Tensor) -> Tensor:
    """Network space (N, 3, H, W) to RGB in 0–255, not clamped."""
    return (picture + _mean(picture)).flip(1)


def from_rgb(rgb: Tensor) -> Tensor:
    """RGB in 0–255, (N, 3, H, W), to network space."""
    return rgb.flip(1) - _mean(rgb)


def resize_bicubic(picture: Tensor, size: Sequence[int]) -> Tensor:
    """(N, C, h, w) to (N, C, H, W) as Torch 7's image.scale does it.

    Corners aligned, by the cubic through four neighbours that passes through the middle two
    (Catmull and Rom 1974), also where the picture shrinks; beyond the border it goes on straight.
    """
    for axis, side in zip((-2, -1), size, strict=True):
        lines = picture.transpose(axis, -1)
        count = lines.shape[-1]
        if count == 1:
            lines = lines.expand(*lines.shape[:-1], side)
        else:
            before = 2 * lines[..., :1] - lines[..., 1:2]
            after = 2 * lines[..., -1:] - lines[..., -2:-1]
            lines = torch.cat([before, lines, after], -1)
            place = torch.arange(side, device=lines.device) * ((count - 1) / max(side - 1, 1))
            base = place.long().clamp(max=count - 2)
            x = place - base
            weights = (
                (-x + 2 * x**2 - x**3) / 2,
                1 + (-5 * x**2 + 3 * x**3) / 2,
                (x + 4 * x**2 - 3 * x**3) / 2,
                (x**3 - x**2) / 2,
            )
            lines = sum(lines[..., base + k] * weight for k, weight in enumerate(weights))
        picture = lines.transpose(axis, -1)
    return picture.contiguous()


def prepared_as(preprocessing: str, x: Tensor) -> Tensor:
    """A network's input (N, C, H, W) from network space into what its layers see.

    Every three channels are a picture; a single one behind them, the certainty, stays as it is.
    """
    if preprocessing == "vgg":
        return x
    count = x.shape[1] // 3 * 3
    mean, deviation = _resnet(x)
    pictures = [(to_rgb(part) / 255 - mean) / deviation for part in x[:, :count].split(3, dim=1)]
    return torch.cat([*pictures, x[:, count:]], 1)


def as_network_space(preprocessing: str, y: Tensor) -> Tensor:
    """A picture (N, 3, H, W) as the layers give it, in network space."""
    if preprocessing == "vgg":
        return y
    mean, deviation = _resnet(y)
    return from_rgb((y * deviation + mean) * 255)


def _resnet(like: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = (
        torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)
        for values in (_RESNET_MEAN, _RESNET_DEVIATION)
    )
    return mean, deviation


def _mean(like: Tensor) -> Tensor:
    return torch.tensor(VGG_MEAN_BGR, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)
