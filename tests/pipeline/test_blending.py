"""Older paintings are mixed in without a loss of contrast, and told when they no longer fit."""

import pytest
import torch

from brushflow.pipeline.blending import blended, enlarged, fitting


def test_what_fits_is_told_by_colour_and_where_something_is_held():
    held = 20 * torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    sight = torch.ones(2, 1, 96, 128)
    assert (fitting(held, held.flip(3), sight) == 1).all(), "strokes are not compared"
    lighter = held.clone()
    lighter[1, 2, :, 64:] += 32  # red alone
    fit = fitting(held, lighter, sight)
    assert fit.shape == (2, 1, 6, 8)
    assert (fit[0] == 1).all() and (fit[1, :, :, :3] == 1).all()
    assert (fit[1, :, :, 5:] == 0).all()
    sight[1, :, :, 64:] = 0
    assert (fitting(held, lighter, sight)[1] == 1).all(), "nothing is held there"


@pytest.mark.parametrize(("blocks", "size"), [((2, 3, 30, 53), (480, 854)), ((1, 1, 1, 1), (5, 7))])
def test_blocks_are_enlarged_as_pytorch_does_it(blocks, size):
    picture = 50 * torch.randn(blocks, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(picture, size, mode="bilinear")
    assert torch.allclose(enlarged(picture, torch.Size(size)), wanted, atol=0.01)


def test_two_patterns_of_strokes_mixed_are_as_rich_as_each():
    """Over grounds of their own, whose mean is kept; at an odd size, and in every mix."""
    random = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 1, 1, 163, 245, generator=random).expand(-1, -1, 3, -1, -1)
    one, other = 30 * one + 20, 30 * other + 60
    for part in (0.25, 0.5, 0.8):
        mixed = blended(one, other, torch.full((1, 1, 163, 245), part))
        assert float(torch.lerp(one, other, part).std()) < 25
        assert float(mixed.std()) == pytest.approx(30, rel=0.03)
        assert float(mixed.mean()) == pytest.approx(20 + 40 * part, abs=0.3)


def test_what_is_alike_is_mixed_as_it_is_and_all_or_nothing_is_no_mix():
    random = torch.Generator().manual_seed(0)
    one, other = 30 * torch.randn(2, 1, 3, 48, 64, generator=random)
    half = torch.full((1, 1, 48, 64), 0.5)
    assert torch.allclose(blended(one, one + 10, half), one + 5, atol=0.1)
    assert torch.equal(blended(one, other, 0 * half), one)
    assert torch.equal(blended(one, other, 2 * half), torch.lerp(one, other, 2 * half))
    plain = torch.zeros(1, 3, 48, 64)
    assert torch.equal(blended(plain, plain + 8, half), plain + 4)
    # What is each other's negative is lost, and is not blown up.
    assert blended(one, -one, half).abs().max() < 1
