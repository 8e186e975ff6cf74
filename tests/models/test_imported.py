"""Weights of the PyTorch port give what its own program gives."""

import itertools
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data
from torch import nn

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.models import VGG_MEAN_BGR, build, load, to_rgb
from brushflow.models.importers import detect
from brushflow.occlusion.motion import Motion
from brushflow.pipeline.stylizer import Stylizer


class Shave(nn.Module):
    def forward(self, x):
        return x[..., 2:-2, 2:-2]


class Sum(nn.Module):
    """The port's residual block: keys 0.0.0, 0.0.1, 0.0.3, 0.0.4 inside."""

    def __init__(self, channels):
        super().__init__()
        convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
        )
        setattr(self, "0", nn.ModuleList([convolutions]))

    def forward(self, x):
        return getattr(self, "0")[0](x) + Shave()(x)


class Times(nn.Module):
    def forward(self, x):
        return 150 * x


def port_network(widths=(8, 12, 16), blocks=5):
    """A network of the port's layout: its modules in its order, so its keys."""
    a, b, c = widths

    def norm(n):
        return [nn.InstanceNorm2d(n, affine=True), nn.ReLU()]

    return nn.Sequential(
        nn.ReflectionPad2d(8 * blocks),
        nn.Conv2d(7, a, 9, padding=4), *norm(a),
        nn.Conv2d(a, b, 3, 2, 1), *norm(b),
        nn.Conv2d(b, c, 3, 2, 1), *norm(c),
        *[Sum(c) for _ in range(blocks)],
        nn.Upsample(scale_factor=2), *norm(c),
        nn.Conv2d(c, b, 3, padding=1), *norm(b),
        nn.Upsample(scale_factor=2), *norm(b),
        nn.Conv2d(b, 3, 9, padding=4), nn.Tanh(), Times(),
    )  # fmt: skip


def port_program(network, frames, flows, certainties):
    """The port's loop: BGR minus mean, min filter, warp, mask, concatenate."""
    mean = torch.tensor(VGG_MEAN_BGR).view(1, 3, 1, 1)
    outputs = []
    for i, frame in enumerate(frames):
        x = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1)[None].float() - mean
        height, width = frame.shape[:2]
        if i == 0:
            x = torch.cat([x, torch.zeros(1, 4, height, width)], 1)
        else:
            c = torch.from_numpy(certainties[i])[None, None]
            c = 1 - F.max_pool2d(1 - c, 7, 1, 3)
            ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            u, v = torch.from_numpy(flows[i]).unbind(-1)
            grid = torch.stack([(xs + u) / (width - 1), (ys + v) / (height - 1)], -1) * 2 - 1
            warped = F.grid_sample(outputs[-1], grid[None], align_corners=True)
            x = torch.cat([x, warped * c, c], 1)
        outputs.append(network(x)[..., :height, :width])
    return outputs


@pytest.fixture(scope="module")
def sequence():
    """Five frames of a drifting photograph with plausible motion."""
    random = np.random.default_rng(1)
    picture = data.astronaut()
    frames = [picture[50 : 50 + 97, 60 + 3 * i : 60 + 3 * i + 130].copy() for i in range(5)]
    flows = [random.normal((3, 0), 0.4, (97, 130, 2)).astype(np.float32) for _ in frames]
    certainties = [(random.random((97, 130)) > 0.002).astype(np.float32) for _ in frames]
    return frames, flows, certainties


def test_imported_weights_give_what_the_port_gives(tmp_path, sequence):
    torch.manual_seed(3)
    frames, flows, certainties = sequence
    network = port_network().eval()
    path = tmp_path / "port.pth"
    torch.save(network.state_dict(), path)
    with torch.no_grad():
        expected = port_program(network, frames, flows, certainties)
    stylizer = Stylizer(
        load(path),
        motion=lambda frame, previous, i, pool: Motion(flows[i], certainties[i]),
        settle=0,
    )
    count = 0
    for stylized, wanted in zip(stylizer.stylize(frames), expected, strict=True):
        error = (to_rgb(stylized.output) - to_rgb(wanted)).square().mean()
        psnr = 10 * torch.log10(255**2 / error)
        assert psnr > 50, f"frame {stylized.index}: {psnr:.1f} dB"
        count += 1
    assert count == 5


def test_architecture_is_read_off_the_shapes(tmp_path):
    path = tmp_path / "wide.pth"
    torch.save(port_network((32, 64, 128)).state_dict(), path)
    network = load(path).network
    assert network.arch == ("c9s1-32,d64,d128,R128,R128,R128,R128,R128,U2,c3s1-64,U2,c9s1-3")
    assert (network.in_channels, network.start_padding) == (7, 40)
    torch.save(port_network((8, 8, 8), blocks=2).state_dict(), path)
    assert load(path).network.arch == "c9s1-8,d8,d8,R8,R8,U2,c3s1-8,U2,c9s1-3"


@pytest.mark.parametrize("entry", ["state_dict", "model"])
def test_checkpoints_of_training_hold_the_weights_too(tmp_path, entry):
    network = port_network()
    optimizer = torch.optim.Adam(network.parameters())
    sum(p.sum() for p in network.parameters()).backward()
    optimizer.step()
    checkpoint = {entry: network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(checkpoint, tmp_path / "candy.pth.tar")
    torch.save(network.state_dict(), tmp_path / "candy.pth")
    model, plain = load(tmp_path / "candy.pth.tar"), load(tmp_path / "candy.pth")
    assert model.style == plain.style == "candy"
    x = torch.randn(1, 7, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.network(x), plain.network(x))


class VstBlock(nn.Module):
    """Convolution and norm of codermomo's Video-Style-Transfer; enlarging ones are a row."""

    def __init__(self, into, out, enlarges=False):
        super().__init__()
        conv = nn.Conv2d(into, out, 3, padding=1, padding_mode="reflect")
        self.conv = nn.Sequential(nn.Upsample(scale_factor=2), conv) if enlarges else conv
        self.norm = nn.InstanceNorm2d(out, affine=True)


def test_checkpoints_of_other_networks_are_called_what_they_are(tmp_path):
    widths = [3, 32, 48, 64, *[64] * 10, 48, 32, 3]
    network = nn.ModuleList(
        VstBlock(into, out, enlarges=out in (48, 32) and into > out)
        for into, out in itertools.pairwise(widths)
    )
    network = nn.ModuleDict({"blocks": network})
    path = tmp_path / "mosaic_temp_300.pth.tar"
    torch.save({"state_dict": network.state_dict(), "optimizer": {"state": {}}}, path)
    with pytest.raises(BrushflowError, match="a network like Video-Style-Transfer's"):
        load(path)
    torch.save({"state_dict": {"x.weight": torch.zeros(8, 5, 3, 3)}}, path)
    with pytest.raises(BrushflowError, match="1 convolution, from 5 channels to 8"):
        load(path)
    torch.save({"state_dict": {"fc.weight": torch.zeros(8, 5)}}, path)
    with pytest.raises(BrushflowError, match="there is no convolution in it"):
        load(path)
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "x.py")
    with pytest.raises(BrushflowError, match="not a file of PyTorch weights"):
        load(path)
    (tmp_path / "weights.bin").write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="not called as model files are"):
        load(tmp_path / "weights.bin")


def test_networks_of_the_frame_difference_program_are_read(tmp_path):
    """Its names, its BGR from 0 to 255: the same layers with the mean taken over by biases."""
    torch.manual_seed(0)
    ours = build(
        "c9s1-4,c4s2-6,c4s2-8,R8,R8,f4s2-6,f4s2-4,c9s1-3", 3, "interpolate", 0, "plain"
    ).eval()
    names = ["conv1.conv2d", "conv2.conv2d", "conv3.conv2d", "res1", "res2"]
    names += ["deconv1.deconv2d", "deconv2.deconv2d", "deconv3.conv2d"]
    layers = [layer for layer in ours.layers if next(layer.parameters(), None) is not None]
    state = {}
    for name, layer in zip(names, layers, strict=True):
        for key, tensor in layer.state_dict().items():
            part = key if name[:3] != "res" else key.replace(".", ".conv2d.", 1)
            state[f"{name}.{part}"] = tensor
    path = tmp_path / "epoch_0_1.0_10.0.model"
    torch.save(state, path)
    network = load(path).network
    mean = torch.tensor(VGG_MEAN_BGR).view(1, 3, 1, 1)
    bgr = 255 * torch.rand(1, 3, 52, 61)
    with torch.no_grad():
        wanted, found = ours(bgr), network(bgr - mean) + mean
    assert wanted.std() > 0.1
    assert (found - wanted).abs().max() < 0.01
    state["conv1.conv2d.weight"] = torch.zeros(4, 6, 9, 9)
    torch.save(state, path)
    with pytest.raises(BrushflowError, match="it is the recurrent one"):
        load(path)


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(nn.Sequential(nn.Linear(3, 4), nn.Conv2d(3, 3, 3)).state_dict(), path)
    with pytest.raises(BrushflowError, match="cannot be had here: a network takes"):
        load(path)
    state = port_network().state_dict()
    del state["5.weight"]
    torch.save(state, path)
    with pytest.raises(BrushflowError, match="cannot be had here: no tensor"):
        load(path)


def test_a_layout_is_a_module_that_detects_and_loads(tmp_path, monkeypatch):
    path = tmp_path / "other.pth"
    network = build("c3s1-4,c3s1-3", padding_type="replicate")
    torch.save({"mine": torch.ones(1)}, path)
    mine = SimpleNamespace(detect=lambda content: "mine" in content, load=lambda content: network)
    monkeypatch.setattr(detect, "_OF_PYTORCH", (*detect._OF_PYTORCH, mine))
    read = load(path).network.state_dict()
    assert all(torch.equal(read[name], there) for name, there in network.state_dict().items())
    states = [port_network().state_dict(), {"mine": torch.ones(1)}]
    for state, expected in zip(states, (detect.pytorch_port, mine), strict=True):
        assert [each for each in detect._OF_PYTORCH if each.detect(state)] == [expected]
