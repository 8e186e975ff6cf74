"""Network space and back is the same picture."""

import numpy as np
import torch

from brushflow.models import VGG_MEAN_BGR, deprocess, from_rgb, preprocess, to_rgb


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
