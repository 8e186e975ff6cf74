"""Colours of a picture whose file says by an ICC profile what its numbers mean, as sRGB."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

# The colour spaces of profiles by the Pillow mode of the pictures that they describe.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Grey levels by which profiles that are meant to be sRGB's differ from each other.
_SAME = 2


def mode_of(profile: bytes) -> str | None:
    """Return the Pillow mode of the pictures that a profile describes; None for one of no use.

    That is a damaged one, one of another kind of data, or sRGB's own.
    """
    transform = _transform(profile)
    return None if transform is None else transform.input_mode


def to_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Convert RGB (H, W, 3) to sRGB, uint8 or uint16 over 0–65535; without a use, as it is.

    A profile of gray pictures takes the first channel. The conversion is LittleCMS's.
    """
    transform = _transform(profile)
    if transform is None or transform.input_mode == "CMYK":
        return pixels
    if pixels.dtype == np.uint8:
        return _apply(transform, pixels)
    # LittleCMS is within reach for 8 bits only: between two of their levels is interpolated.
    below, rest = np.divmod(pixels, 257)
    low = _apply(transform, below.astype(np.uint8)).astype(np.float32)
    high = _apply(transform, np.minimum(below + 1, 255).astype(np.uint8))
    return np.rint(257 * low + rest * (high - low)).astype(np.uint16)


def cmyk_to_srgb(picture: Image.Image, profile: bytes) -> np.ndarray:
    """Convert a picture of mode CMYK by a profile that ``mode_of`` calls so; RGB uint8."""
    transform = _transform(profile)
    assert transform is not None, "mode_of could read the profile"
    return np.asarray(ImageCms.applyTransform(picture, transform))


def _apply(transform: ImageCms.ImageCmsTransform, pixels: np.ndarray) -> np.ndarray:
    if transform.input_mode == "L":
        pixels = pixels[..., 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(ImageCms.applyTransform(picture, transform))


@functools.lru_cache(8)  # the pictures of a folder mostly have the same
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space.strip())
        if mode is None:
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode != "CMYK":
        levels = np.arange(0, 256, 17, dtype=np.uint8)
        probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 16, 3)
        if mode == "L":
            probe = np.repeat(probe[..., :1], 3, axis=2)
        if np.abs(_apply(transform, probe).astype(int) - probe).max() <= _SAME:
            return None
    return transform
