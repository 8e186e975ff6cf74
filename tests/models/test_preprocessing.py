"""Network space and back is the same picture."""

import numpy as np
import torch

from brushflow.models import VGG_MEAN_BGR, deprocess, from_rgb, preprocess, to_rgb
from brushflow.models.preprocessing import resize_bicubic


def test_eight_bit_pictures_survive_the_way_there_and_back():
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(deprocess(preprocess(picture)), picture)


def test_sixteen_bit_pictures_survive_the_way_there_and_back():
    picture = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), np.uint16)
    back = deprocess(preprocess(picture), bit_depth=16).astype(int)
    assert np.abs(back - picture.astype(int)).max() <= 1


def test_network_space_is_bgr_minus_the_mean():
    picture = np.array([[[10, 20, 30]]], np.uint8)
    values = preprocess(picture).flatten()
    assert torch.allclose(values, torch.tensor([30.0, 20, 10]) - torch.tensor(VGG_MEAN_BGR))
    assert torch.allclose(to_rgb(preprocess(picture)).flatten(), torch.tensor([10.0, 20, 30]))
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(from_rgb(to_rgb(x)), x, atol=1e-4)


def test_values_out_of_range_are_clamped_and_rounded():
    x = from_rgb(torch.tensor([-20.0, 300.0, 99.6]).view(1, 3, 1, 1))
    assert deprocess(x).flatten().tolist() == [0, 255, 100]


def test_bicubic_is_that_of_torch_7():
    """Through four neighbours by the polynomial it writes out; straight beyond the border."""
    line = np.random.default_rng(0).normal(size=9)

    def scaled(count):
        out = []
        for d in range(count - 1):
            place = d * (len(line) - 1) / (count - 1)
            i, f = int(place), place - int(place)
            p1, p2 = line[i], line[i + 1]
            p0 = line[i - 1] if i > 0 else 2 * p1 - p2
            p3 = line[i + 2] if i + 2 < len(line) else 2 * p2 - p1
            a1, a2 = (p2 - p0) / 2, p0 - 2.5 * p1 + 2 * p2 - p3 / 2
            a3 = (p3 - p0) / 2 + 1.5 * (p1 - p2)
            out.append(p1 + f * (a1 + f * (a2 + f * a3)))
        return np.array([*out, line[-1]])

    picture = torch.from_numpy(line)[None, None, None].expand(1, 1, 3, -1)
    for count in (5, 9, 20):
        found = resize_bicubic(picture, (3, count))
        assert np.allclose(found[0, 0, 1], scaled(count), atol=1e-5)
        assert np.allclose(
            resize_bicubic(picture.mT, (count, 3))[0, 0, :, 1], scaled(count), atol=1e-5
        )
    assert resize_bicubic(torch.ones(1, 3, 1, 1), (4, 1)).eq(1).all()
