"""Weights of PyTorch's example fast_neural_style give what that network gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brushflow.common.errors import BrushflowError
from brushflow.models import StyleModel, from_rgb, load, to_rgb


class Padded(nn.Module):
    """Enlargement, reflection, convolution; its weights are called conv2d."""

    def __init__(self, channels, filters, kernel, stride, factor=1):
        super().__init__()
        self.conv2d = nn.Conv2d(channels, filters, kernel, stride)
        self.factor = factor

    def forward(self, x):
        x = x.repeat_interleave(self.factor, -1).repeat_interleave(self.factor, -2)
        half = self.conv2d.kernel_size[0] // 2
        return self.conv2d(F.pad(x, (half,) * 4, mode="reflect"))


class Block(nn.Module):
    def __init__(self, n, norm):
        super().__init__()
        self.conv1, self.in1 = Padded(n, n, 3, 1), norm(n)
        self.conv2, self.in2 = Padded(n, n, 3, 1), norm(n)

    def forward(self, x):
        return x + self.in2(self.conv2(self.in1(self.conv1(x)).relu()))


class Example(nn.Module):
    """RGB from 0 to 255 in and out, under the example's names."""

    def __init__(self, widths=(4, 6, 8), blocks=5, old=False):
        super().__init__()
        a, b, c = widths

        def norm(n):
            # Versions of old kept statistics, which they did not use.
            layer = nn.InstanceNorm2d(n, affine=True, track_running_stats=old)
            return layer.train()

        self.conv1, self.in1 = Padded(3, a, 9, 1), norm(a)
        self.conv2, self.in2 = Padded(a, b, 3, 2), norm(b)
        self.conv3, self.in3 = Padded(b, c, 3, 2), norm(c)
        for i in range(1, blocks + 1):
            setattr(self, f"res{i}", Block(c, norm))
        self.deconv1, self.in4 = Padded(c, b, 3, 1, 2), norm(b)
        self.deconv2, self.in5 = Padded(b, a, 3, 1, 2), norm(a)
        self.deconv3 = Padded(a, 3, 9, 1)
        self.blocks = blocks
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.5 if parameter.ndim == 1 else 0, 0.2)

    def forward(self, x):
        for layer, after in (
            (self.conv1, self.in1),
            (self.conv2, self.in2),
            (self.conv3, self.in3),
        ):
            x = after(layer(x)).relu()
        for i in range(1, self.blocks + 1):
            x = getattr(self, f"res{i}")(x)
        for layer, after in ((self.deconv1, self.in4), (self.deconv2, self.in5)):
            x = after(layer(x)).relu()
        return self.deconv3(x)


@pytest.mark.parametrize("old", [False, True], ids=["new", "with statistics"])
@pytest.mark.parametrize("zipped", [False, True], ids=["pickles", "zip"])
@pytest.mark.parametrize("name", ["candy.pth", "epoch_2.model"])
def test_the_example_is_recovered(tmp_path, old, zipped, name):
    torch.manual_seed(1)
    example = Example(old=old)
    path = tmp_path / name
    torch.save(example.state_dict(), path, _use_new_zipfile_serialization=zipped)
    network = load(path).network
    assert network.arch == ("c9s1-4,c3s2-6,c3s2-8,R8,R8,R8,R8,R8,N2,c3s1-6,N2,c3s1-4,c9s1-3")
    assert (network.in_channels, network.tanh_constant) == (3, 0)
    rgb = 255 * torch.rand(2, 3, 58, 71)
    with torch.no_grad():
        wanted = example(rgb)[..., :58, :71]
        found = to_rgb(network(from_rgb(rgb)))
    assert wanted.std() > 1
    assert (found - wanted).abs().max() < 1e-3 * wanted.abs().max()


def test_it_stays_the_same_in_a_file_of_ours(tmp_path):
    torch.save(Example((4, 4, 8), blocks=2).state_dict(), tmp_path / "x.pth")
    model = load(tmp_path / "x.pth")
    model.save(tmp_path / "x.safetensors")
    x = 50 * torch.randn(1, 3, 44, 48)
    assert torch.equal(load(tmp_path / "x.safetensors").network(x), model.network(x))
    assert isinstance(model, StyleModel)


@pytest.mark.parametrize(
    "edit",
    [
        lambda state: state.pop("in4.weight"),
        lambda state: state.pop("conv2.conv2d.weight"),
        lambda state: state.pop("deconv3.conv2d.weight"),
        lambda state: state.update({"deconv3.conv2d.weight": torch.zeros(3)}),
        lambda state: state.update({"more.weight": torch.zeros(3)}),
        lambda state: state.update({"resx.conv1.conv2d.weight": torch.zeros(3)}),
        lambda state: state.update({"conv1.conv2d.weight": torch.zeros(4, 1, 9, 9)}),
    ],
)
def test_what_only_looks_like_it_is_refused(tmp_path, edit):
    state = Example().state_dict()
    edit(state)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(BrushflowError, match=r"The network in .*x\.pth cannot be had here"):
        load(tmp_path / "x.pth")
