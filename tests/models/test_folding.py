"""The folded network paints the same picture."""

import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from brushflow.models import PADDING_TYPES, PAPER_ARCH, build
from brushflow.models.inference import kernels, subpixel
from brushflow.models.inference.folding import fold

ARCHS = [
    "c9s1-8,d12,d16,R16,R16,U2,c3s1-8,U2,c9s1-3",
    "c5s2-8,d12,R12,U2,c3s1-8,U2,c9s1-3",
    "c9s1-8,d16,C16,u8,c9s1-3",
    "c3s1-8,c3s2-8,R8,f3s2-8,c3s1-3",
    "c9s1-8,d8,d8,R8,U4,c9s1-3",
    "c9s1-8,c3s3-8,d8,R8,U2,U3,c9s1-3",
    "c3s1-8,d8,d8,U2,U2,c5s1-3",
    "c3s1-8,d8,R8,U2,R8,c3s1-3",
    "c3s1-8,U2,d8,c9s2-8,u8,c3s1-3",
    "c3s1-4,d4,d4,d4,U2,c7s1-4,U4,c11s1-3",
    "c3s1-8,d8,U2,C8,c1s1-8,u8,d8,C3",
    "c3s1-8,d8,d8,N2,c3s1-8,N2,c9s1-3",
    "c11s1-16,c3s1-3",
    "c9s1-3",
    "c9s1-8,c4s2-8,c6s2-12,R12,f4s2-8,f6s2-8,c9s1-3",
]
SMALL = "c5s2-32,d64,R64,R64,R64,R64,U2,c3s1-32,U2,c9s1-3"
needs_transforms = pytest.mark.skipif(
    not kernels.has_transforms(), reason="this PyTorch or processor has no NNPACK"
)


def make(arch, channels=7, padding_type="reflect", norm="instance", margin=0):
    """A network whose norms do something."""
    torch.manual_seed(0)
    network = build(arch, channels, padding_type, norm=norm, margin=margin).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("bias"):
                tensor.normal_(0, 0.3)
            elif name.endswith("running_mean"):
                tensor.normal_()
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
    return network


def difference(network, x):
    """Largest of folded minus plain, of an output range of 300; with transforms and without."""
    with torch.no_grad():
        plain = network(x)
    folded = [fold(network, transforms)(x) for transforms in (False, True)]
    assert all(picture.shape == plain.shape for picture in folded)
    return max(float((picture - plain).abs().max()) for picture in folded)


@pytest.mark.parametrize("padding_type", PADDING_TYPES)
@pytest.mark.parametrize("arch", ARCHS)
def test_folded_equals_plain(arch, padding_type):
    torch.manual_seed(1)
    for margin, norm in ((0, "instance"), (8, "batch")):
        network = make(arch, 3, padding_type, norm, margin)
        assert difference(network, 40 * torch.randn(2, 3, 41, 46)) < 0.05


@pytest.mark.parametrize("padding_type", PADDING_TYPES)
@pytest.mark.parametrize("arch", [PAPER_ARCH, SMALL])
def test_folded_equals_plain_at_full_width(arch, padding_type):
    torch.manual_seed(1)
    margin = 16 if arch == SMALL else 0
    x = 40 * torch.randn(1, 7, 59, 66)
    assert difference(make(arch, 7, padding_type, margin=margin), x) < 0.05


@pytest.mark.parametrize("padding_type", ["interpolate", "reflect"])
def test_folded_equals_plain_without_weights_in_the_norms(padding_type):
    torch.manual_seed(1)
    network = make(ARCHS[-1], 6, padding_type, norm="plain", margin=16)
    assert difference(network, 40 * torch.randn(1, 6, 57, 62)) < 0.05


def test_folded_equals_plain_for_pictures_prepared_as_for_resnet():
    torch.manual_seed(1)
    network = build(ARCHS[0], 7, "reflect", preprocessing="resnet", tanh_constant=2).eval()
    assert difference(network, 40 * torch.randn(1, 7, 57, 62)) < 0.05


@pytest.mark.parametrize("size", [(1, 1), (2, 45), (3, 200), (41, 41), (40, 40)])
def test_folded_equals_plain_for_pictures_smaller_than_the_network_likes(size):
    torch.manual_seed(1)
    for padding_type in ("reflect", "reflect-start"):
        network = make(ARCHS[0], 7, padding_type, "batch", margin=5)
        assert difference(network, 40 * torch.randn(1, 7, *size)) < 0.05


@pytest.mark.parametrize("channels", [3, 6, 7])
def test_folded_takes_every_number_of_channels_and_leaves_its_input_alone(channels):
    torch.manual_seed(1)
    x = 40 * torch.randn(1, 50, 60, channels).permute(0, 3, 1, 2)
    before = x.clone()
    network = make(ARCHS[0], channels)
    assert fold(network).in_channels == channels
    assert difference(network, x) < 0.05
    assert torch.equal(x, before)


@pytest.mark.parametrize("padding_type", ["zero", "reflect", "replicate"])
def test_frames_of_one_colour_stay_as_flat_as_in_the_plain_network(padding_type):
    # Their variance is zero, so that a norm divides whatever rounding leaves by nearly nothing.
    network = make(SMALL, 7, padding_type, margin=16)
    x = torch.tensor([-103.9, -116.8, -123.7, 0, 0, 0, 0]).view(1, 7, 1, 1).repeat(1, 1, 72, 88)
    speck = x.clone()
    speck[:, :3, 30, 40] += 1
    for picture in (x, speck):
        with torch.no_grad():
            exact = network.double()(picture.double())
        network.float()
        for transforms in (False, True):
            assert (fold(network, transforms)(picture) - exact).abs().max() < 0.3


@needs_transforms
def test_strips_of_a_large_picture_fit_together(monkeypatch):
    network = make(ARCHS[0])
    x = 40 * torch.randn(1, 7, 133, 90)
    whole = fold(network)(x)
    for limit in (1, 1 << 20, 4 << 20):
        monkeypatch.setattr(kernels, "_WORKSPACE", limit)
        assert (fold(network)(x) - whole).abs().max() < 0.01


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
def test_phases_are_a_convolution_of_the_enlarged_picture(kernel, factor, compact):
    torch.manual_seed(0)
    weight = torch.randn(3, 2, kernel, kernel, dtype=torch.float64)
    x = torch.randn(1, 2, 11, 13, dtype=torch.float64)
    expected = F.conv2d(F.interpolate(x, scale_factor=factor), weight, padding=kernel // 2)
    taps, offsets = subpixel.phase_offsets(kernel, factor, compact)
    phases = subpixel.phase_weights(weight, factor, compact)
    assert phases.shape == (3 * factor**2, 2, taps, taps)
    y = F.conv2d(x, phases, padding=subpixel.reach(kernel, factor))
    assert torch.allclose(subpixel.interleave(y, factor, offsets, 11, 13), expected)


@pytest.mark.parametrize("offsets", [[0, 0], [0, 1]])
def test_pixels_are_interleaved_alike_in_every_type(offsets):
    y = torch.randint(-99, 99, (2, 12, 6, 8))
    expected = subpixel.interleave(y, 2, offsets, 5, 7)
    assert expected.shape == (2, 3, 10, 14)
    for dtype in (torch.float16, torch.float32, torch.float64):
        assert torch.equal(subpixel.interleave(y.to(dtype), 2, offsets, 5, 7).long(), expected)


def test_the_published_kernels_shrink_as_far_as_they_can():
    assert subpixel.phase_offsets(9, 2, compact=True)[0] == 5
    assert subpixel.phase_offsets(3, 2, compact=True)[0] == 2
    assert subpixel.phase_offsets(3, 2, compact=False)[0] == 3


def test_folding_does_not_change_the_network():
    network = make(ARCHS[0], norm="batch")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold(network)(torch.randn(1, 7, 50, 50))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_folded_network_can_be_sent_to_another_process():
    folded = fold(make(ARCHS[0]))
    x = torch.randn(1, 7, 50, 50)
    assert torch.equal(pickle.loads(pickle.dumps(folded))(x), folded(x))


def test_half_precision_is_close():
    network = make(ARCHS[0], norm="instance")
    x = 40 * torch.randn(1, 7, 64, 64)
    with torch.no_grad():
        expected = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            theirs = network(x).float()
            ours = fold(network)(x).float()
    error = (ours - expected).pow(2).mean().sqrt()
    assert error < 2 * (theirs - expected).pow(2).mean().sqrt()


def test_an_output_without_bounds_stays_without():
    torch.manual_seed(1)
    network = build(ARCHS[0], 3, tanh_constant=0).eval()
    assert difference(network, 40 * torch.randn(1, 3, 50, 60)) < 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_folded_equals_plain_on_a_gpu():
    torch.manual_seed(1)
    for padding_type in PADDING_TYPES:
        network = make(SMALL, 7, padding_type, margin=16).cuda()
        assert difference(network, 40 * torch.randn(1, 7, 75, 98).cuda()) < 1


def test_freed_memory_can_be_kept():
    # In a process of its own, as the setting cannot be taken back.
    code = "from brushflow.common.memory import keep_freed_memory as keep; print(keep())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.split()[0] in (b"True", b"False")


def test_pictures_of_a_batch_may_share_their_statistics():
    """As a batch norm in training has them, which is what the plain network is given here."""
    torch.manual_seed(2)
    network = build("c3s1-8,d16,R16,U2,c3s1-3", in_channels=7, padding_type="reflect").eval()
    shared = fold(network, transforms=False, shared=True)
    x = torch.randn(3, 7, 48, 64) * torch.tensor([1.0, 10.0, 60.0]).reshape(3, 1, 1, 1)
    apart = fold(network, transforms=False)(x)
    for module in list(network.modules()):
        for name, norm in list(module.named_children()):
            if isinstance(norm, torch.nn.InstanceNorm2d):
                joint = torch.nn.BatchNorm2d(norm.num_features, norm.eps, track_running_stats=False)
                joint.weight, joint.bias = norm.weight, norm.bias
                setattr(module, name, joint)
    with torch.no_grad():
        plain = network(x)
    assert torch.allclose(shared(x), plain, atol=2e-3)
    assert (apart - plain).abs().max() > 1
