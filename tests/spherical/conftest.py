"""Functions of direction, and spherical frames made of them."""

import numpy as np
import pytest
import torch

from brushflow.spherical.panorama import equirect_rays


def of_direction(rays):
    """A smooth colour for every direction (…, 3): float32 (1, 3, …), about 20 to 235."""
    x, y, z = torch.nn.functional.normalize(rays, dim=-1).unbind(-1)
    waves = [3 * x + y * z, 2 * y - 3 * z * x, 4 * z + x * y]
    return (128 + 107 * torch.stack([wave.sin() for wave in waves])).float()[None]


@pytest.fixture(scope="session")
def smooth():
    return of_direction


@pytest.fixture(scope="session")
def spheres():
    """Frames uint8 (H, 2 H, 3) of a textured sphere that turns by a pixel a frame."""

    def make(count, height=64):
        random = np.random.default_rng(0)
        rough = torch.from_numpy(random.uniform(-60, 60, (1, 3, height // 4, height // 2)))
        rough = torch.nn.functional.interpolate(rough, (height, 2 * height), mode="bilinear")
        picture = of_direction(equirect_rays(2 * height, height)) + rough
        first = picture[0].permute(1, 2, 0).clamp(0, 255).byte().numpy()
        return [np.roll(first, i, 1) for i in range(count)]

    return make
