"""The network keeps sizes and computes what the published descriptions say."""

import pytest
import torch

from brushflow.errors import UsageError
from brushflow.models import PADDING_TYPES, PAPER_ARCH, build, parse_arch

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


def test_the_picture_does_not_move():
    # All-positive random weights blur, but a bright spot must stay where it is.
    torch.manual_seed(0)
    for padding_type in PADDING_TYPES:
        network = build("c5s1-4,d4,R4,U2,c5s1-3", 3, padding_type, norm="batch").eval()
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


@pytest.mark.parametrize(
    ("arch", "part"),
    [
        ("c9s1-32,x3", "'x3' at character 9"),
        ("c9s1,c3s1-3", "'c9s1' at character 1"),
        ("c4s1-3", "even kernel"),
        ("c9s1-32,R64,c9s1-3", "write R32"),
        ("c9s1-32,d64,c9s1-3", "1/2 times"),
        ("c9s1-32,U2,d3,c9s1-4", "3 filters"),
        ("c9s1-99999999,c9s1-3", "from 1 to 4096"),
        ("", "Unknown layer ''"),
    ],
)
def test_a_wrong_architecture_is_refused_with_its_place(arch, part):
    with pytest.raises(UsageError, match=part):
        parse_arch(arch, 7)
