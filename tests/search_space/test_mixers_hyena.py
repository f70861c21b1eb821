"""Hyena: gates and implicit long convolutions."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.hyena import GatedLongConvolutions, Hyena
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.shapes import Shape
from torch import Tensor

from .tensors import random

SMALL = Hyena(filter_width=8, filter_layers=1, directions="one")


def built(mixer: Hyena, shape: Shape) -> GatedLongConvolutions:
    torch.manual_seed(4)
    module = mixer.build(shape).double()
    assert isinstance(module, GatedLongConvolutions)
    return module


def from_above_and_left(x: Tensor, kernel: Tensor) -> Tensor:
    """Return a depthwise convolution with non-negative offsets down and across, zero-padded."""
    out = torch.zeros_like(x)
    height, width = x.shape[-2:]
    for row in range(height):
        for column in range(width):
            moved = kernel[:, row, column, None, None] * x[..., : height - row, : width - column]
            out[..., row:, column:] += moved
    return out


def by_definition(module: GatedLongConvolutions, x: Tensor, flip: Sequence[int] = ()) -> Tensor:
    """Return the output before the last linear map, for the quadrant that ``flip`` puts first."""
    order = module.order
    *gates, y = (each.flip(flip) for each in module.short(module.in_proj(x)).chunk(order + 1, 1))
    kernels = module.kernels(*x.shape[-2:])
    for number, gate in enumerate(reversed(gates[1:])):
        y = y * gate
        y = from_above_and_left(y, kernels[number]) + module.bias_OC[number, :, None, None] * y
    return (y * gates[0]).flip(flip)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("size", [(4, 4), (3, 5), (1, 1)])
def test_gates_and_convolutions_in_turn(size: tuple[int, int], order: int) -> None:
    shape = Shape(4, *size)
    x = random(2, *shape)
    module = built(replace(SMALL, order=order), shape)
    assert torch.allclose(module(x), module.out_proj(by_definition(module, x)))
    module = built(replace(SMALL, order=order, directions="reversed"), shape)
    assert torch.allclose(module(x), module.out_proj(by_definition(module, x, [-1, -2])))


def test_four_directions_see_the_four_quarters() -> None:
    shape = Shape(4, 4, 3)
    x = random(2, *shape)
    flips = [[], [-1, -2], [-1], [-2]]
    module = built(replace(SMALL, directions="four"), shape)
    ways = torch.stack([by_definition(module, x, flip) for flip in flips], dim=-1)
    assert torch.allclose(module(x), module.out_proj(module.mix(ways)[..., 0]))
    module = built(replace(SMALL, directions="four_mixed"), shape)
    ways = torch.cat([by_definition(module, x, flip) for flip in flips], dim=1)
    assert torch.allclose(module(x), module.out_proj(module.mix(ways)))


@pytest.mark.parametrize(
    ("directions", "seen"),
    [
        ("one", slice(0, 4)),
        ("reversed", slice(1, 6)),
        ("four", slice(0, 6)),
        ("four_mixed", slice(0, 6)),
        ("both", slice(0, 6)),
    ],
)
def test_what_a_place_sees(directions: str, seen: slice) -> None:
    """The receptive field of (2, 2); the short convolution adds one pixel."""
    module = built(replace(SMALL, directions=directions), Shape(4, 6, 6))
    x = random(1, 4, 6, 6).requires_grad_()
    module(x)[0, :, 2, 2].sum().backward()
    assert x.grad is not None
    expected = torch.zeros(6, 6, dtype=torch.bool)
    expected[seen, seen] = True
    assert torch.equal(x.grad[0].abs().amax(0) > 1e-9, expected)


def test_kernels_that_reach_both_ways_are_functions_of_the_offset() -> None:
    module = built(replace(SMALL, directions="both"), Shape(4, 4, 3))
    kernels = module.kernels(4, 3)[0]
    taps = module.filter(range(-3, 4), range(-2, 3), (3, 2))
    assert kernels.shape == (4, 8, 6)
    for row in range(-3, 4):
        for column in range(-2, 3):
            assert torch.equal(kernels[:, row, column], taps[:, row + 3, column + 2])
    assert (kernels[:, 4] == 0).all() and (kernels[:, :, 3] == 0).all()


def test_a_sequence_is_seen_from_its_start() -> None:
    module = built(replace(SMALL, layout="sequence", kernel_size=1), Shape(4, 3, 4))
    x = random(1, 4, 3, 4).requires_grad_()
    module(x)[0, :, 1, 2].sum().backward()
    assert x.grad is not None
    found = (x.grad[0].abs().amax(0) > 1e-9).flatten().tolist()
    assert found == [True] * 7 + [False] * 5
    assert module.short.weight.shape == (12, 1, 1, 1)
    flat = built(replace(SMALL, layout="sequence"), Shape(4, 3, 4))
    assert torch.allclose(flat(x).flatten(2), flat(x.view(1, 4, 1, 12)).flatten(2))


def test_products_of_filters_along_the_axes_have_rank_one() -> None:
    for kind, rank in (("product", 1), ("implicit", 5)):
        module = built(replace(SMALL, filter=kind, window="none"), Shape(4, 6, 5))
        kernels = module.kernels(6, 5)[0].detach()
        ranks = torch.linalg.matrix_rank(kernels, rtol=1e-7)
        assert (ranks == 1).all() if rank == 1 else (ranks > 1).all()


def test_windows_come_to_a_hundredth_at_their_share_of_the_map() -> None:
    """Windows from 1.5 of the map in the first filter to 0.3 in the last: 10 of 11 positions are
    1."""
    shape = Shape(4, 1, 11)
    plain = built(replace(SMALL, decay_fast=1e6, decay_slow=1e6), shape)
    windowed = built(SMALL, shape)
    windowed.load_state_dict(plain.state_dict())
    ratio = (windowed.kernels(1, 11) / plain.kernels(1, 11)).detach()[0, :, 0]
    assert float(ratio[-1, 3]) == pytest.approx(0.01, rel=1e-5)
    assert float(ratio[0, 10]) == pytest.approx(0.01 ** (1 / 1.5), rel=1e-5)
    assert torch.allclose(ratio[:, 0], torch.ones(4, dtype=ratio.dtype))


@pytest.mark.parametrize("window", ["fixed", "learned", "symmetric", "none"])
def test_outputs_do_not_grow_with_map_and_order(window: str) -> None:
    for side in (4, 32):
        module = built(
            replace(SMALL, window=window, directions="both", order=5), Shape(8, side, side)
        )
        assert 0.01 < module(random(1, 8, side, side)).std().item() < 2


def test_taps_without_a_fixed_window_sum_to_one_at_most() -> None:
    for side in (1, 2, 32):
        module = built(replace(SMALL, window="none"), Shape(4, side, side))
        sums = module.kernels(side, side).abs().sum((-2, -1))
        assert (sums < 1 + 1e-9).all()
        assert side == 32 or (sums < 0.999).all()  # few taps are not divided


def test_learned_windows() -> None:
    """Rates for each axis and a floor a filter; one rate for both axes where symmetric."""
    counts = {
        window: sum(
            each.numel()
            for each in built(replace(SMALL, window=window), Shape(4, 5, 5)).filter.parameters()
        )
        for window in ("none", "fixed", "learned", "symmetric")
    }
    plain = counts["none"]
    assert counts == {
        "none": plain,
        "fixed": plain,
        "learned": plain + 3 * 4,
        "symmetric": plain + 2 * 4,
    }


def test_by_hand() -> None:
    """16 channels on 8 x 8, order 3: four maps, two convolutions, filters of 8 units."""
    mixer = Hyena(order=3, filter_width=8, filter_layers=1, directions="one")
    cost = count_module(mixer.build(Shape(16, 8, 8)), (16, 8, 8))
    maps = 4 * 16
    text = 2 * 3  # two axes: share, cosine, sine
    network = text * 8 + 8 + 8 * 8 + 8 + 8 * (2 * 16)
    sines = 8  # one frequency a unit, shared by both layers
    projections = 16 * maps + maps + 9 * maps + maps + 16 * 16 + 16
    assert cost.params == projections + network + sines + 2 * 16
    places, torus = 64, 256
    assert cost.macs_by_kind["conv"] == places * (16 * maps + 9 * maps + 16 * 16)
    assert cost.macs_by_kind["linear"] == places * (text * 8 + 8 * 8 + 8 * 32)
    assert cost.macs_by_kind["fft"] == 2 * 3 * round(16 * 1.25 * torus * math.log2(torus))


def test_what_makes_no_difference_is_one_value() -> None:
    shape = Shape(4, 3, 5)
    assert Hyena(kernel_size=31).canonical(shape).kernel_size == 9
    flat = Hyena(layout="sequence", kernel_size=31)
    assert flat.canonical(shape).kernel_size == 29
    assert replace(flat, filter="product").canonical(shape) == flat.canonical(shape)
    for directions in ("one", "reversed"):
        assert Hyena(directions=directions).canonical(Shape(4, 1, 1)).directions == "both"
    none = Hyena(window="none")
    assert replace(none, decay_fast=0.1).canonical(shape) == none
    assert Hyena(decay_slow=0.1).canonical(Shape(4, 1, 1)) == Hyena(kernel_size=1)


def test_a_hyena_vit_has_the_printed_parameters() -> None:
    """Hyena-ViT has 88 M (Poli et al., 2023, table 4.7); kernels of 5, 33 numbers an offset."""
    mixer = Hyena(
        layout="sequence",
        directions="one",
        kernel_size=5,
        bands=16,
        filter_width=128,
        filter_layers=1,
    )
    vit = Architecture(
        input=Shape(3, 224, 224),
        classes=1000,
        stem=PatchStem(patch_size=16, norm=NoNorm()),
        stages=(Stage(width=768, depth=12, blocks=(MetaFormerBlock(mixer=mixer),)),),
        head=PooledHead(norm_first=True),
    )
    assert round(architecture_cost(vit).params / 1e6) == 88
