"""Warping fetches exactly what the flow points at."""

import importlib

import numpy as np
import pytest
import torch
from skimage import data

from brushflow.flow import warp, warp_array


def photograph(dtype=torch.float32):
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].to(dtype)


def constant_flow(image, x, y):
    return torch.tensor([x, y]).expand(len(image), *image.shape[2:], 2)


def test_whole_pixels_are_a_slice():
    image = photograph()
    warped = warp(image, constant_flow(image, 7.0, -5.0))
    # 1e-7 of the width in position, times the steepest edge.
    assert (warped[..., 5:, :-7] - image[..., :-5, 7:]).abs().max() < 0.02
    assert warped[..., :5, :].max() < 0.02 and warped[..., -7:].max() < 0.02


def test_no_motion_changes_nothing():
    image = photograph()
    assert (warp(image, constant_flow(image, 0.0, 0.0)) - image).abs().max() < 0.02


def test_half_a_pixel_is_the_mean_of_two():
    image = photograph()
    warped = warp(image, constant_flow(image, 0.5, 0.0))
    assert (warped[..., :-1] - (image[..., :-1] + image[..., 1:]) / 2).abs().max() < 0.02


def test_outside_fades_to_zero_within_a_pixel():
    image = torch.full((1, 1, 4, 5), 100.0)
    warped = warp(image, constant_flow(image, 0.25, 0.0))
    assert warped[0, 0, :, -1].tolist() == pytest.approx([75] * 4, abs=0.01)
    assert (warp(image, constant_flow(image, 1e9, 1e9)) == 0).all()


def test_what_lies_outside_may_have_a_value_of_its_own():
    """As Torch 7's image.warp has it: the whole pixel, however little is missing of its sample."""
    image = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[None, None].repeat(1, 2, 1, 1)
    outside = torch.tensor([-7.0, -9]).view(1, 2, 1, 1)
    still = torch.zeros(1, 2, 3, 2)
    assert torch.equal(warp(image, still, outside=outside), image)
    flow = still.clone()
    flow[0, 0, 0, 0] = -0.01
    flow[0, 0, 2, 1] = 0.5
    flow[0, 1, 1, 1] = 1e9
    flow[0, 1, 0, 0] = float("nan")
    flow[0, 1, 2, 1] = 0.01
    found = warp(image, flow, outside=outside)
    assert found[0, 0].tolist() == [[-7, 2, 4.5], [-7, -7, -7]]
    assert found[0, 1].tolist() == [[-9, 2, 4.5], [-9, -9, -9]]


def test_half_precision_pictures_are_sampled_at_full_precision():
    image = photograph()
    flow = constant_flow(image, 3.3, 2.6)
    warped = warp(image.half(), flow.half())
    assert warped.dtype == torch.float16
    expected = warp(image, flow.half().float())
    # Half of the last digit that float16 has at 255.
    assert (warped.float() - expected).abs().max() < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_a_side_of_one_pixel(shape):
    image = torch.arange(1.0, 7.0)[: max(shape)].reshape(1, 1, *shape)
    assert warp(image, constant_flow(image, 0.0, 0.0)).tolist() == image.tolist()
    across = (1.0, 0.0) if shape[1] == 1 else (0.0, 1.0)
    assert (warp(image, constant_flow(image, *across)) == 0).all()
    halfway = warp(image, constant_flow(image, across[0] / 2, across[1] / 2))
    assert torch.allclose(halfway, image / 2)


def test_every_picture_of_a_batch_has_its_own_flow():
    image = photograph()[:, :, :50, :60].repeat(2, 1, 1, 1)
    flow = torch.zeros(2, 50, 60, 2)
    flow[1, ..., 0] = 2
    warped = warp(image, flow)
    assert torch.equal(warped[0], warp(image[:1], flow[:1])[0])
    assert torch.equal(warped[1], warp(image[1:], flow[1:])[0])
    assert not torch.equal(warped[0], warped[1])


@pytest.mark.parametrize("shape", [(2, 3, 40, 61), (1, 1, 1, 30), (1, 2, 7, 1)])
def test_without_gradients_the_result_is_the_same(shape):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(shape, generator=generator)
    flow = torch.randn(shape[0], *shape[2:], 2, generator=generator) * 5
    by_opencv = warp(image, flow)
    by_torch = warp(image.requires_grad_(), flow)
    assert not by_opencv.requires_grad and by_torch.requires_grad
    assert (by_opencv - by_torch).abs().max() < 2e-5


def test_gradients_reach_picture_and_flow():
    random = torch.Generator().manual_seed(0)
    image = torch.rand(1, 2, 4, 5, dtype=torch.float64, generator=random, requires_grad=True)
    flow = torch.rand(1, 4, 5, 2, dtype=torch.float64, generator=random) * 0.6 + 0.2
    assert torch.autograd.gradcheck(warp, (image, flow.requires_grad_()))


def test_shapes_that_do_not_fit_are_refused():
    image = torch.zeros(1, 3, 4, 5)
    for shape in [(1, 2, 4, 5), (4, 5, 2), (2, 4, 5, 2)]:
        with pytest.raises(ValueError, match="need a flow"):
            warp(image, torch.zeros(shape))


def test_a_picture_of_another_size_is_addressed_by_its_own_pixels():
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    warped = warp(image, constant_flow(torch.zeros(1, 1, 2, 6), -1.0, 1.0))
    expected = torch.tensor([[0, 4, 5, 6, 7, 0.0], [0, 8, 9, 10, 11, 0]])
    assert torch.allclose(warped[0, 0], expected, atol=1e-4)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_arrays_are_warped_like_tensors(channels):
    rng = np.random.default_rng(0)
    picture = rng.random((37, 52, *channels), np.float32)
    flow = rng.normal(0, 6, (37, 52, 2)).astype(np.float32)
    flow[0, :3] = [[1e9, 0], [0, -3e9], [-200, 0.5]]  # far outside
    planes = torch.from_numpy(picture.reshape(37, 52, -1)).permute(2, 0, 1)[None]
    # In float64 by PyTorch.
    exact = warp(planes.double(), torch.from_numpy(flow)[None])
    expected = exact[0].permute(1, 2, 0).numpy()
    warped = warp_array(picture, flow)
    # Positions round to 4e-6 of a pixel here.
    assert warped.reshape(expected.shape) == pytest.approx(expected, abs=2e-5)


def test_an_array_and_its_flow_may_differ_in_size_and_be_laid_out_anyhow():
    picture = np.arange(20, dtype=np.float32).reshape(4, 5)
    flow = np.broadcast_to(np.float32([2, 1]), (2, 3, 2))
    assert warp_array(picture, flow).tolist() == [[7, 8, 9], [12, 13, 14]]


def test_what_a_device_cannot_sample_is_sampled_by_the_processor(monkeypatch):
    """With the processor in the place of such a device: the same picture, where it was asked."""
    module = importlib.import_module("brushflow.flow.warp")
    image, flow = torch.rand(1, 2, 9, 11), torch.randn(1, 9, 11, 2)
    expected = module._by_torch(image, flow, "bicubic", "border")
    asked = []
    move = torch.Tensor.cpu

    def cpu(tensor):
        asked.append(tensor)
        module._NO_BICUBIC.clear()
        return move(tensor)

    monkeypatch.setattr(module, "_NO_BICUBIC", {"cpu"})
    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    assert torch.equal(module._by_torch(image, flow, "bicubic", "border"), expected)
    assert len(asked) == 2
