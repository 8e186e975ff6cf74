"""The network keeps sizes and computes what the published descriptions say."""

import pytest
import torch
import torch.nn.functional as F

from brushflow.common.errors import UsageError
from brushflow.models import PADDING_TYPES, PAPER_ARCH, build, from_rgb, to_rgb
from brushflow.models.network import FDB_ARCH

SMALL = "c9s1-8,d12,d16,R16,R16,U2,c3s1-8,U2,c9s1-3"


@pytest.mark.parametrize("padding_type", PADDING_TYPES)
@pytest.mark.parametrize("size", [(41, 41), (42, 43), (57, 90), (40, 40), (1, 1), (3, 200)])
def test_output_has_the_size_of_the_input(padding_type, size):
    network = build(SMALL, padding_type=padding_type).eval()
    with torch.no_grad():
        output = network(torch.randn(1, 7, *size))
    assert output.shape == (1, 3, *size)
    assert output.isfinite().all()


@pytest.mark.parametrize(
    "arch",
    [
        "c9s1-8,d16,C16,u8,c9s1-3",
        "c3s1-8,c3s2-8,R8,f3s2-8,c3s1-3",
        "c9s1-8,d8,d8,R8,U4,c9s1-3",
        "c11s1-16,c3s1-3",
        "c9s1-8,c4s2-8,c2s2-8,c6s4-8,R8,f6s4-8,f4s2-8,f2s2-8,c9s1-3",
    ],
)
@pytest.mark.parametrize("padding_type", PADDING_TYPES)
def test_every_letter_of_the_grammar_builds_a_network_that_keeps_sizes(arch, padding_type):
    output = build(arch, 3, padding_type)(torch.randn(2, 3, 45, 58))
    assert output.shape == (2, 3, 45, 58)


def test_the_paper_network_has_its_published_number_of_parameters():
    network = build(PAPER_ARCH)
    assert sum(p.numel() for p in network.parameters()) == 1_679_235


def test_reflect_start_pads_what_the_blocks_take_away():
    assert build(PAPER_ARCH).start_padding == 40
    assert build("c3s1-8,R8,d8,R8,U2,c3s1-3").start_padding == 2 + 4
    assert build(PAPER_ARCH, padding_type="reflect").start_padding == 0


@pytest.mark.parametrize("padding_type", PADDING_TYPES)
def test_a_margin_changes_borders_and_neither_size_nor_place(padding_type):
    torch.manual_seed(0)
    plain = build("c3s1-4,d4,U2,c3s1-3", 3, padding_type, norm="batch").eval()
    wide = build("c3s1-4,d4,U2,c3s1-3", 3, padding_type, norm="batch", margin=8).eval()
    wide.load_state_dict(plain.state_dict())
    for size in ((64, 80), (63, 77), (5, 30)):
        x = torch.randn(1, 3, *size)
        assert wide(x).shape == plain(x).shape
    inner = (wide(x := torch.randn(1, 3, 64, 80)) - plain(x))[..., 6:-6, 6:-6]
    assert inner.abs().max() < 1e-3


def test_output_stays_within_the_tanh_constant():
    network = build(SMALL, tanh_constant=100)
    assert network(1e4 * torch.randn(1, 7, 48, 48)).abs().max() <= 100


@pytest.mark.parametrize("arch", ["c5s1-4,d4,R4,U2,c5s1-3", "c5s1-4,c4s2-4,R4,f4s2-4,c5s1-3"])
def test_the_picture_does_not_move(arch):
    # All-positive random weights blur, but a bright spot must stay where it is.
    torch.manual_seed(0)
    for padding_type in PADDING_TYPES:
        network = build(arch, 3, padding_type, norm="batch").eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_().mul_(0.2)
            flat = torch.zeros(1, 3, 64, 80)
            spot = flat.clone()
            spot[..., 30:34, 50:54] = 50
            change = (network(spot) - network(flat))[0].sum(0)
        rows, columns = torch.arange(64.0), torch.arange(80.0)
        row = (change.sum(1) * rows).sum() / change.sum()
        column = (change.sum(0) * columns).sum() / change.sum()
        assert abs(float(row) - 31.5) < 1, padding_type
        assert abs(float(column) - 51.5) < 1, padding_type


def test_the_network_of_the_frame_difference_paper_is_what_it_was():
    """REFERENCE F1, layer by layer: even kernels, plain norms, rims made up by interpolation."""
    torch.manual_seed(0)
    network = build(FDB_ARCH, 3, "interpolate", tanh_constant=0, norm="plain").eval()
    x = 50 * torch.randn(1, 3, 52, 60)

    def wide(x, extra):
        size = [side + extra for side in x.shape[-2:]]
        out = F.interpolate(x, size, mode="bilinear", align_corners=True)
        out[..., extra // 2 : -(extra // 2), extra // 2 : -(extra // 2)] = x
        return out

    def conv(x, layer, relu=True, norm=True):
        y = F.conv2d(wide(x, layer.kernel_size[0] - layer.stride[0]), layer.weight, layer.bias,
                     layer.stride)  # fmt: skip
        y = F.instance_norm(y) if norm else y
        return y.relu() if relu else y

    layers = [layer for layer in network.layers if next(layer.parameters(), None) is not None]
    y = x
    for layer in layers[:3]:
        y = conv(y, layer)
    for block in layers[3:8]:
        y = y + conv(conv(y, block.conv1), block.conv2, relu=False)
    for layer in layers[8:10]:
        up = F.conv_transpose2d(y, layer.weight, layer.bias, layer.stride)
        y = F.instance_norm(up[..., 1:-1, 1:-1]).relu()
    wanted = conv(y, layers[10], relu=False, norm=False)
    with torch.no_grad():
        assert (network(x) - wanted).abs().max() < 1e-3
    assert sum(p.numel() for p in network.parameters()) == 1_819_395


def test_made_up_rims_carry_no_gradient():
    network = build("c9s1-3", 3, "interpolate", tanh_constant=0)
    x = torch.randn(1, 3, 48, 48, requires_grad=True)
    network(x).sum().backward()
    kernel = network.layers[0].weight.sum((0, 2, 3))
    # A pixel in the middle is seen by every tap; through the rim it would count more in places.
    assert torch.allclose(x.grad[0, :, 24, 24], kernel, atol=1e-5)
    corner = network.layers[0].weight[..., :5, :5].sum((0, 2, 3))
    assert torch.allclose(x.grad[0, :, 0, 0], corner, atol=1e-5)


def test_pictures_prepared_as_for_resnet_are_what_the_layers_see():
    network = build("c1s1-3", 7, "zero", tanh_constant=0, preprocessing="resnet").eval()
    with torch.no_grad():
        network.layers[0].weight.zero_()
        network.layers[0].bias.zero_()
        rgb = torch.tensor([200.0, 100.0, 50.0]).view(1, 3, 1, 1).expand(1, 3, 48, 48)
        x = torch.cat([from_rgb(rgb), from_rgb(255 - rgb), torch.ones(1, 1, 48, 48)], 1)
        for place, channel in ((0, 0), (1, 5), (2, 6)):  # red, the prior's blue, the certainty
            network.layers[0].weight[place, channel] = 1
        seen = to_rgb(network(x))[0, :, 0, 0] / 255
    mean, deviation = (torch.tensor(v) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    wanted = torch.tensor([(200 / 255 - 0.485) / 0.229, (205 / 255 - 0.406) / 0.225, 1.0])
    assert torch.allclose(seen, wanted * deviation + mean, atol=1e-4)


@pytest.mark.parametrize(
    ("arch", "part"),
    [
        ("c9s1-32,x3", "'x3' at character 9"),
        ("c9s1,c3s1-3", "'c9s1' at character 1"),
        ("c4s1-3", "even kernel"),
        ("c2s4-3", "even kernel"),
        ("c8s8-4,c8s8-4,c8s8-4,c8s8-4,f9s4096-3", "more than 1024 times smaller"),
        ("c9s1-32,R64,c9s1-3", "write R32"),
        ("c9s1-32,d64,c9s1-3", "1/2 times"),
        ("c9s1-32,U2,d3,c9s1-4", "3 filters"),
        ("c9s1-99999999,c9s1-3", "from 1 to 4096"),
        ("", "Unknown layer ''"),
    ],
)
def test_a_wrong_architecture_is_refused_with_its_place(arch, part):
    with pytest.raises(UsageError, match=part):
        build(arch, 7)
