"""Paintings learned apart share all weights but their norms'."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from skimage import data, io

from brushflow.common.errors import UsageError
from brushflow.models import build, load
from brushflow.training import train
from brushflow.training.norms_apart import NormsApart

ARCH = "c3s1-8,d8,R8,U2,c3s1-3"


@pytest.fixture
def two(options, tmp_path):
    """The options of a run that learns two paintings apart."""
    other = tmp_path / "other.png"
    io.imsave(other, data.coffee()[::2, ::2], check_contrast=False)
    return replace(options, style=(*options.style, other), apart=True, relative=True)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build(ARCH, 7)


def test_each_painting_paints_with_its_own_norms(network):
    x = torch.randn(1, 7, 48, 48) * 40
    plain = network(x)
    apart = NormsApart(network, 2)
    assert torch.equal(apart(x), plain)
    with torch.no_grad():
        for parameter in apart.norms[1]:
            parameter.mul_(0.5)
    assert torch.equal(apart(x), plain)
    apart.chosen = 1
    painted = apart(x)
    assert not torch.allclose(painted, plain)
    alone = build(ARCH, 7)
    alone.load_state_dict(apart.state_of(1))
    assert torch.equal(alone(x), painted)
    # A painting that is not among them begins from the middle.
    middle, first, second = (apart.state_of(k) for k in (None, 0, 1))
    for name in middle:
        assert torch.allclose(middle[name], (first[name] + second[name]) / 2, atol=1e-7)


def test_all_may_begin_from_the_first(network):
    apart = NormsApart(network, 3)
    with torch.no_grad():
        apart.norms[0][0].add_(1)
    apart.share_norms()
    first = apart.state_of(0)
    assert all(torch.equal(apart.state_of(2)[name], first[name]) for name in first)


def test_only_the_chosen_norms_and_what_is_shared_learn(network):
    apart = NormsApart(network, 2)
    apart.chosen = 1
    apart(torch.randn(1, 7, 48, 48)).square().mean().backward()
    assert all(p.grad is None for p in apart.norms[0])
    assert all(p.grad is not None for p in apart.norms[1])
    shared = [p for p in network.parameters() if p.requires_grad]
    assert shared and all(p.grad is not None for p in shared)


def test_a_run_writes_a_model_for_each_painting_and_resumes(two, tmp_path):
    options = two
    whole = replace(options, output=tmp_path / "whole.safetensors")
    train(whole)

    def interrupt(progress):
        if progress.iteration == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(options, interrupt)
    train(options)
    for place in ("styles/painting", "styles/other"):
        one, two = (
            load_file(o.output.with_name(o.output.name + ".training") / f"{place}.safetensors")
            for o in (whole, options)
        )
        assert all(torch.equal(one[name], two[name]) for name in one)
    styles = [load(p).network for p in sorted(tmp_path.glob("whole*/styles/*.safetensors"))]
    kernels, norms = ("layers.0.weight", "layers.1.weight")
    first, second = (network.state_dict() for network in styles)
    assert torch.equal(first[kernels], second[kernels])
    assert not torch.equal(first[norms], second[norms])


class Compiled:
    """As what torch.compile gives: like a network, but not of its class."""

    def __init__(self, network):
        self.network = network

    def __call__(self, x):
        return self.network(x)

    def __getattr__(self, name):
        return getattr(self.network, name)


def test_each_is_judged_by_its_own_norms_also_compiled(two, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", Compiled)
    judged = {}
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        options = replace(two, output=folder / "a.safetensors", compile=compiled, iterations=3)
        options = replace(options, identity_iterations=0, style_ramp=0, images_every=0)
        judged[compiled] = []
        train(options, lambda p, values=judged[compiled]: values.append(p.validation))
    assert judged[False][-1] and judged[True] == judged[False]


@pytest.mark.parametrize("norm", ["plain", "batch"])
def test_without_norms_that_learn_nothing_is_apart(two, norm):
    with pytest.raises(UsageError, match=f"with {norm} normalization"):
        train(replace(two, norm=norm))


def test_paintings_of_one_name_are_no_two_models(two, tmp_path):
    (tmp_path / "more").mkdir()
    again = tmp_path / "more" / "Painting.jpg"
    io.imsave(again, data.coffee()[::2, ::2], check_contrast=False)
    with pytest.raises(UsageError, match="are called painting"):
        train(replace(two, style=(*two.style, again)))
