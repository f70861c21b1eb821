"""Convolutions as large as the map: learned tap by tap, and from stretched grids."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.mixers.frequency import GlobalFilter
from nas_explorer.search_space.components.mixers.long_conv import LongConv, SquashedConvolution
from nas_explorer.search_space.components.mixers.structured_global_conv import (
    MultiScaleConvolution,
    StructuredGlobalConv,
)
from nas_explorer.search_space.shapes import Shape
from torch import Tensor
from torch.nn import functional as F

from ..benchmark_runs import run_benchmark
from .tensors import random

BARE = LongConv(skip=False, squash=0.0, start="normal")
GRIDS = StructuredGlobalConv(skip=False, grid=2)


def long_conv(mixer: LongConv, shape: Shape) -> SquashedConvolution:
    module = mixer.build(shape).double()
    assert isinstance(module, SquashedConvolution)
    return module


def multi_scale(mixer: StructuredGlobalConv, shape: Shape) -> MultiScaleConvolution:
    module = mixer.build(shape).double()
    assert isinstance(module, MultiScaleConvolution)
    return module


def by_shifts(x: Tensor, kernel: Tensor) -> Tensor:
    """Return a depthwise convolution (not a correlation) with an odd kernel, zero-padded."""
    padding = (kernel.shape[-2] // 2, kernel.shape[-1] // 2)
    return F.conv2d(x, kernel.flip(-1, -2)[:, None], padding=padding, groups=len(kernel))


@pytest.mark.parametrize("transform", ["fft", "monarch"])
@pytest.mark.parametrize("reach", [1, 2, 1024])
@pytest.mark.parametrize("size", [(6, 6), (5, 8), (1, 4), (1, 1)])
def test_long_kernels_convolve_with_zeros_outside(
    size: tuple[int, int], reach: int, transform: str
) -> None:
    module = long_conv(replace(BARE, reach=reach, transform=transform), Shape(4, *size))
    sides = tuple(2 * min(reach, side - 1) + 1 for side in size)
    assert module.kernel_CHW.shape == (4, *sides)
    x = random(2, 4, *size)
    assert torch.allclose(module(x), by_shifts(x, module.kernel_CHW), atol=1e-10)


@pytest.mark.parametrize("size", [(6, 6), (5, 8), (1, 1)])
def test_circular_kernels_see_the_map_again(size: tuple[int, int]) -> None:
    module = long_conv(replace(BARE, padding="circular"), Shape(4, *size))
    kernel = module.kernel_CHW
    assert kernel.shape == (4, *size)
    x = random(2, 4, *size)
    expected = torch.zeros_like(x)
    for row in range(size[0]):
        for column in range(size[1]):
            shift = (row - size[0] // 2, column - size[1] // 2)
            expected = expected + kernel[:, row, column, None, None] * x.roll(shift, (-2, -1))
    assert torch.allclose(module(x), expected)


def test_taps_are_squashed_and_the_input_added() -> None:
    module = long_conv(LongConv(squash=0.003), Shape(4, 5, 5))
    kernel = module.kernel_CHW
    squashed = kernel.sign() * (kernel.abs() - 0.003).clamp(min=0)
    assert 0 < int((squashed == 0).sum()) < squashed.numel()
    x = random(2, 4, 5, 5)
    assert module.skip_C11 is not None
    assert torch.allclose(module(x), by_shifts(x, squashed) + module.skip_C11 * x)


@pytest.mark.parametrize("start", ["normal", "decaying"])
@pytest.mark.parametrize("smoothing", ["none", "places", "frequencies"])
def test_taps_that_are_not_refused_can_learn(smoothing: str, start: str) -> None:
    """Taps below the threshold have no gradient; at least one in twenty is above it initially."""
    refused = 0
    shape = Shape(8, 7, 7)
    for squash in (0.0, 0.003, 0.01):
        for size in (3, 7, 25):
            mixer = LongConv(squash=squash, smoothing=smoothing, smoothing_size=size, start=start)
            if (reason := mixer.why_invalid(shape)) is not None:
                assert reason.startswith("squash must be below") and "but got" in reason
                refused += 1
                continue
            torch.manual_seed(0)
            module = long_conv(mixer, shape)
            module(random(2, *shape)).square().sum().backward()
            for parameter in module.parameters():
                assert parameter.grad is not None
                assert (parameter.grad != 0).double().mean() >= 0.05
    assert (refused > 0) == (start == "normal" or smoothing == "frequencies")


def test_smoothing_does_not_weaken_the_start() -> None:
    for smoothing in ("places", "frequencies"):
        for size in (3, 31):
            mixer = replace(BARE, smoothing=smoothing, smoothing_size=size)
            torch.manual_seed(0)
            kernel = long_conv(mixer, Shape(32, 14, 14)).kernel()
            deviation = kernel.std().item() * math.sqrt(28 * 28 / 27**2)
            assert 0.0008 < deviation < 0.004


def test_smoothing_over_places_is_a_moving_average() -> None:
    mixer = replace(BARE, smoothing="places", smoothing_size=3)
    module = long_conv(mixer, Shape(4, 5, 5))
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64) / 9
    expected = F.conv2d(module.kernel_CHW[:, None], ones, padding=1)[:, 0]
    x = random(2, 4, 5, 5)
    assert torch.allclose(module(x), by_shifts(x, expected))


def test_smoothing_over_frequencies_is_a_moving_average_of_the_spectrum() -> None:
    for size in ((5, 5), (4, 7)):
        mixer = replace(BARE, smoothing="frequencies", smoothing_size=3)
        module = long_conv(mixer, Shape(4, *size))
        plain = long_conv(BARE, Shape(4, *size))
        plain.load_state_dict(module.state_dict())
        spectrum = torch.fft.fft2(plain.kernel())
        shifts = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
        expected = torch.stack([spectrum.roll(each, (-2, -1)) for each in shifts]).mean(0)
        assert torch.allclose(torch.fft.fft2(module.kernel()), expected)


@pytest.mark.parametrize("transform", ["fft", "monarch"])
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_frequencies_left_out_do_not_count(padding: str, transform: str) -> None:
    mixer = replace(BARE, padding=padding, frequencies=2, transform=transform)
    shape = Shape(4, 6, 7)
    module = long_conv(mixer, shape)
    size = module.torus
    x = random(2, 4, 6, 7)
    product = torch.fft.fft2(x, s=size) * torch.fft.fft2(module.kernel())
    for axis, side in zip((-2, -1), size, strict=True):
        waves = torch.fft.fftfreq(side, 1 / side).abs()
        product = product * (waves <= 2).view(*[1] * 3, -1).movedim(-1, axis)
    expected = torch.fft.ifft2(product).real[..., :6, :7]
    assert torch.allclose(module(x), expected)
    full = replace(BARE, padding=padding, transform=transform)
    if transform == "monarch":
        costs = [count_module(each.build(shape), shape).macs for each in (mixer, full)]
        assert costs[0] < costs[1]


def test_shorter_kernels_need_a_smaller_torus() -> None:
    shape = Shape(4, 14, 14)
    short, full = (replace(BARE, reach=reach) for reach in (3, 1024))
    assert short.torus(shape) == (18, 18) and full.torus(shape) == (28, 28)
    points, frequencies = 28 * 28, 28 * 15
    cost = count_module(full.build(shape), shape)
    assert cost.params == 4 * 27 * 27
    assert cost.macs == 3 * round(4 * 1.25 * points * math.log2(points))  # the kernel's too
    assert cost.other_by_kind["elementwise"] == 6 * 4 * frequencies + 4 * 27 * 27  # squashed
    assert count_module(short.build(shape), shape).macs < cost.macs


def test_the_layers_end() -> None:
    shape = Shape(8, 4, 4)
    pixels, kernel = 16, 8 * 7 * 7
    ends: dict[str, int] = {"none": 0, "linear": 8, "glu": 16}
    for kind, outputs in ends.items():
        cost = count_module(LongConv(projection=kind).build(shape), shape)
        assert cost.params == kernel + 8 + outputs * 9
        assert cost.macs_by_kind["conv"] == pixels * 8 * outputs


@pytest.mark.parametrize(
    ("knobs", "same"),
    [
        ({"reach": 7}, {"reach": 1024}),
        ({"frequencies": 8}, {"frequencies": 1024}),
        ({"padding": "circular", "reach": 4}, {"padding": "circular"}),
        ({"smoothing_size": 3}, {}),
    ],
)
def test_what_makes_no_difference_is_one_value(knobs: dict[str, Any], same: dict[str, Any]) -> None:
    shape = Shape(4, 8, 5)
    assert LongConv(**knobs).canonical(shape) == LongConv(**same).canonical(shape)


def test_on_a_row_or_a_single_place_descriptions_meet() -> None:
    row, place = Shape(4, 1, 9), Shape(4, 1, 1)
    assert LongConv(layout="sequence").canonical(row) == LongConv().canonical(row)
    for each in (LongConv(padding="circular"), LongConv(layout="sequence")):
        assert each.canonical(place) == LongConv().canonical(place)
    two = StructuredGlobalConv(layout="sequence", grid=8)
    assert replace(two, interpolation="nearest").canonical(row) == two.canonical(row)


def test_what_makes_a_difference_is_another_value() -> None:
    shape = Shape(4, 8, 8)
    values = (LongConv(), LongConv(reach=6), LongConv(frequencies=7))
    assert len({value.canonical(shape) for value in values}) == 3


def test_grids_grow_with_the_logarithm_of_the_map() -> None:
    """A map of twice the side needs one grid more, and so does a sequence of twice the length."""
    counts: dict[str, list[int]] = {"map": [], "sequence": []}
    for layout, found in counts.items():
        for side in (4, 8, 16, 32, 64):
            mixer = StructuredGlobalConv(layout=layout, skip=False, grid=4)
            found.append(
                sum(each.numel() for each in mixer.build(Shape(8, side, side)).parameters())
            )
    assert counts["map"] == [8 * 16 * scales for scales in (2, 3, 4, 5, 6)]
    assert counts["sequence"] == [2 * 8 * 4 * scales for scales in (3, 5, 7, 9, 11)]


def test_rings_are_weaker_by_the_decay() -> None:
    """Weights of one: ring i, of twice the side of ring i - 1, is 3^-i; together they overlap."""
    for combine, inner in (("cat", 1), ("sum", 1 + 1 / 3 + 1 / 9)):
        mixer = replace(GRIDS, combine=combine, decay_min=3.0, decay_max=3.0)
        module = multi_scale(mixer, Shape(4, 4, 4))
        for weight in module.weights:
            torch.nn.init.ones_(weight)
        taps = module.taps()[0, 0]
        assert taps.shape == (8, 8)
        rows = taps[4, 4:].tolist()
        outer = 1 / 3 + (1 / 9 if combine == "sum" else 0)
        assert rows == pytest.approx([inner, outer, 1 / 9, 1 / 9])
        assert torch.equal(taps, taps.flip(0)) and torch.equal(taps, taps.T)


def test_segments_of_a_sequence_are_weaker_by_the_decay() -> None:
    mixer = replace(GRIDS, layout="sequence", interpolation="nearest")
    module = multi_scale(mixer, Shape(4, 1, 8))
    for number, weight in enumerate(module.weights):
        torch.nn.init.constant_(weight, number + 1)
    assert module.taps()[1, 0].tolist() == [1, 1, 1, 1, 0.75, 0.75, 0.75, 0.75]
    over = multi_scale(replace(mixer, combine="sum"), Shape(4, 1, 8))
    for weight in over.weights:
        torch.nn.init.ones_(weight)
    assert over.taps()[0, 0].tolist() == [1.75, 1.75, 0.75, 0.75, 0.25, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("transform", ["fft", "monarch"])
def test_multi_scale_kernels_convolve_with_zeros_outside(transform: str) -> None:
    shape = Shape(4, 3, 5)
    x = random(2, 4, 3, 5)
    module = multi_scale(replace(GRIDS, transform=transform), shape)
    taps = (module.taps() / module.norm)[0]
    middle = taps.shape[-1] // 2
    kernel = taps[:, middle - 2 : middle + 3, middle - 4 : middle + 5]
    assert torch.allclose(module(x), by_shifts(x, kernel))
    flat = multi_scale(replace(GRIDS, transform=transform, layout="sequence"), shape)
    after, before = (flat.taps() / flat.norm)[..., :15]
    places = x.flatten(2)
    expected = torch.zeros_like(places)
    for place in range(15):
        for other in range(15):  # the first tap before is one place away
            away = place - other
            tap = after[:, away] if away >= 0 else before[:, -away - 1]
            expected[..., place] += tap * places[..., other]
    assert torch.allclose(flat(x).flatten(2), expected)


def test_kernels_start_with_norm_one_and_channels_decay_apart() -> None:
    mixer = replace(GRIDS, decay_min=1.0, decay_max=4.0)
    module = multi_scale(mixer, Shape(4, 4, 4))
    norms = torch.linalg.vector_norm(module.taps() / module.norm, dim=(-2, -1))
    assert torch.allclose(norms, torch.ones_like(norms))
    for weight in module.weights:
        torch.nn.init.ones_(weight)
    assert module.taps()[0, :, 0, 0].tolist() == pytest.approx([1, 1 / 4, 1 / 9, 1 / 16])


def test_a_single_grid_has_no_scales() -> None:
    shape = Shape(4, 4, 4)
    large = StructuredGlobalConv(grid=64, combine="sum", decay_min=3.0, interpolation="nearest")
    assert large.canonical(shape) == StructuredGlobalConv(grid=8)
    assert large.canonical(Shape(4, 40, 40)) == large


def test_maps_of_another_size_are_refused() -> None:
    mixers = (LongConv(), StructuredGlobalConv(), StructuredGlobalConv(layout="sequence"))
    for mixer in (*mixers, GlobalFilter()):
        module = mixer.build(Shape(4, 6, 5))
        for size in ((5, 6), (6, 4), (12, 10)):
            with pytest.raises(ValueError, match="must be 6x5 pixels, but got"):
                module(torch.zeros(1, 4, *size))


def test_a_sequence_is_convolved_row_after_row() -> None:
    shape = Shape(4, 3, 5)
    x = random(2, *shape)
    for reach in (2, 1024):
        mixer = replace(BARE, layout="sequence", reach=reach)
        module = long_conv(mixer, shape)
        assert module.kernel_CHW.shape == (4, 1, 2 * min(reach, 14) + 1)
        expected = by_shifts(x.flatten(2)[:, :, None], module.kernel_CHW)
        assert torch.allclose(module(x), expected.view(x.shape))
    around = long_conv(replace(BARE, layout="sequence", padding="circular"), shape)
    assert around.kernel_CHW.shape == (4, 1, 15)
    moved = x.flatten(2).roll(4, -1).view(x.shape)
    assert torch.allclose(around(moved).flatten(2), around(x).flatten(2).roll(4, -1))


def test_learned_transforms_start_near_the_exact_one() -> None:
    """Torus 12 x 10: 3 and 4 along rows, 2 and 5 along columns, complex."""
    shape = Shape(4, 6, 5)
    mixer = replace(BARE, transform="monarch", learned_transform=True)
    module = long_conv(mixer, shape)
    assert module.changes is not None
    weights = sum(each.numel() for each in module.changes)
    assert weights == 2 * (9 + 16 + 4 + 25)
    x = random(2, *shape)
    exact = by_shifts(x, module.kernel_CHW)
    off = ((module(x) - exact).abs().max() / exact.abs().max()).item()
    assert 1e-4 < off < 0.5
    for each in module.changes:
        torch.nn.init.zeros_(each)
    assert torch.allclose(module(x), exact)
    assert replace(mixer, transform="fft").why_invalid(shape) is not None


@pytest.mark.slow
def test_the_benchmark_runs_and_all_ways_agree() -> None:
    (row,) = run_benchmark("long_kernels.py", "--quick")["milliseconds"].values()
    assert row["equal"] is True and min(row["conv2d"], row["fft"], row["monarch"]) > 0
