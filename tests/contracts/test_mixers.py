"""The contract of every token mixer in the table, beyond that of every component."""

import dataclasses
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.counting.trace import counts, operations, trace
from nas_explorer.evaluators.cost.value import MAC_KINDS
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.activations import ACTIVATIONS, activation
from nas_explorer.search_space.components.base import TokenMixer, field_domains
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.describe import COST_LETTERS
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.layers.spline_conv import SplineConv2d
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.norms import ChannelLayerNorm
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn

from ..knobs import opposites
from ..search_space.tensors import awake

every_mixer = pytest.mark.parametrize("cls", MIXERS.values(), ids=list(MIXERS))

SMALL = Shape(32, 5, 6)
MIDDLE = Shape(32, 15, 17)
LARGE = Shape(32, 41, 41)

CURVED = (
    *(type(activation(name)) for name in ACTIVATIONS),
    *(nn.LeakyReLU, nn.LayerNorm, nn.GroupNorm, ChannelLayerNorm),
)
"""Module classes that are not affine, apart from a mixer's own operation."""


def variants(cls: type[TokenMixer]) -> Sequence[Any]:
    """Return the default, and mixers with each knob at both ends."""
    return cls(), *opposites(cls, lambda each: each.why_invalid(SMALL, None) is None)


def built(mixer: TokenMixer, shape: Shape) -> nn.Module:
    torch.manual_seed(5)
    return awake(mixer.build(shape)).eval()


def seen_from(mixer: TokenMixer, shape: Shape, row: int, column: int, noise: float = 0) -> Tensor:
    """Return the receptive field of one output position as a boolean map (H, W).

    Noise is added to the parameters, since initial zeros could hide dependencies.
    """
    module = built(mixer, shape).double()
    generator = torch.Generator().manual_seed(7)
    for parameter in module.parameters():
        parameter.data += noise * torch.randn(parameter.shape, generator=generator)
    x = torch.randn(1, *shape, dtype=torch.float64, generator=generator).requires_grad_()
    weights = torch.randn(shape.channels, dtype=torch.float64, generator=generator)
    (module(x)[0, :, row, column] * weights).sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().amax(0) > 0


@every_mixer
def test_traits_are_filled_in(cls: type[TokenMixer]) -> None:
    traits = cls.traits
    assert re.search(r"(19|20)\d\d", traits.paper) and traits.cost
    assert all(re.fullmatch(r"[A-Z]\d\d", row) for row in traits.catalogue)


@every_mixer
def test_keeps_the_shape(cls: type[TokenMixer]) -> None:
    for mixer in variants(cls):
        assert mixer.out_shape(SMALL, None) == SMALL


@every_mixer
def test_says_whether_its_weights_depend_on_the_resolution(cls: type[TokenMixer]) -> None:
    for mixer in variants(cls):
        small, large = (
            {name: value.shape for name, value in built(mixer, shape).state_dict().items()}
            for shape in (Shape(32, 16, 16), Shape(32, 20, 20))
        )
        if cls.traits.resolution_bound:
            assert small != large
        else:
            assert small == large
            module = built(mixer, Shape(32, 16, 16))
            x = torch.randn(1, 32, 20, 20)
            assert module(x).shape == x.shape


@every_mixer
def test_without_weights_nothing_is_trained(cls: type[TokenMixer]) -> None:
    for mixer in variants(cls):
        trained = [each for each in built(mixer, SMALL).parameters() if each.requires_grad]
        assert not (trained and cls.traits.weights == "none")


@every_mixer
def test_reaches_as_far_as_it_says(cls: type[TokenMixer]) -> None:
    """Return the expected ``Traits.reach`` on maps that no default kernel spans."""
    mixer, reach = cls(), cls.traits.reach
    if reach == "global":
        for row, column in ((0, 0), (MIDDLE.height - 1, MIDDLE.width - 1)):
            assert seen_from(mixer, MIDDLE, row, column).all()
        return
    seen = seen_from(mixer, LARGE, 20, 20) | seen_from(mixer, LARGE, 20, 20, noise=2)
    furthest = (seen.nonzero() - 20).abs().max().item()
    if reach == "regional":
        assert furthest > 3 and not seen.all()
    else:
        assert furthest == 0 if reach == "none" else 1 <= furthest <= 3


def straightened(module: nn.Module) -> nn.Module:
    """Return the module with every activation and norm replaced by the identity."""
    for name, child in module.named_children():
        if isinstance(child, CURVED):
            setattr(module, name, nn.Identity())
        straightened(child)
    return module


@every_mixer
def test_static_weights_do_not_depend_on_the_input(cls: type[TokenMixer]) -> None:
    """Without activations and norms, static weights give an affine map; products of maps do not."""
    module = straightened(built(cls(), SMALL).double())
    x, y = (torch.randn(1, *SMALL, dtype=torch.float64) for _ in range(2))
    zero = module(torch.zeros_like(x))
    apart = module(x + y) + zero - module(x) - module(y)
    affine = bool(apart.abs().max() <= 1e-8 * module(x).abs().max())  # products may start small
    learned_functions = any(isinstance(each, SplineConv2d) for each in module.modules())
    if cls.traits.weights != "none" and not learned_functions:
        assert affine == (cls.traits.weights == "static")


GROWTH = {
    "N^2": ((8, 16, 32), 2),
    "N^1.25": ((4, 16, 64), 1.25),
    "N (H + W)": ((8, 16, 32), 1.5),
    "N (sqrt N + k^2)": ((8, 16, 32, 64), 1.5),
    "N log N": ((8, 16, 32, 64), 1),
}
"""Mixers with costs that grow faster than the positions: sides to test, and leading exponent."""


def test_the_letters_of_costs_are_explained() -> None:
    mixers: Any = MIXERS.values()
    for cls in mixers:
        letters = re.findall(r"[A-Za-z]+", re.sub(r"log|sqrt|monarch", "", cls.traits.cost))
        assert set(letters) <= set(COST_LETTERS), cls.name


@every_mixer
def test_multiply_adds_grow_as_it_says(cls: type[TokenMixer]) -> None:
    """After subtraction of linear terms, and of constants if needed, the counts give the
    exponent."""
    direct, _, monarch = cls.traits.cost.partition(" (monarch: ")
    forms = {direct: cls()}
    if monarch:
        forms[monarch.removesuffix(")")] = dataclasses.replace(cls(), transform="monarch")
    for cost, mixer in forms.items():
        sides, exponent = GROWTH.get(cost, ((8, 16, 32, 64), None))
        macs = [count(mixer, Shape(32, side, side)) for side in sides]
        times = (sides[1] // sides[0]) ** 2
        left = [more - times * less for less, more in pairwise(macs)]
        if len(left) > 2:
            left = [more - less for less, more in pairwise(left)]
        if exponent is None:
            assert left == [0, 0]
        else:
            assert math.log(left[1] / left[0], times) == pytest.approx(exponent, abs=0.2)


def count(mixer: TokenMixer, shape: Shape) -> int:
    """Return only the multiply-adds, since the other counts take longer."""
    if mixer.is_identity:
        return 0
    graph = trace(fold(mixer.build(shape)), [torch.zeros(1, *shape)])
    counted = counts(operations(graph))
    return sum(counted[kind] for kind in MAC_KINDS)


@every_mixer
def test_images_of_another_size_are_taken_or_refused_in_words(cls: type[TokenMixer]) -> None:
    block = MetaFormerBlock(mixer=cls(), channel_mixer=NoChannelMixer())
    architecture = Architecture(
        input=Shape(3, 8, 8),
        classes=2,
        stem=PatchStem(patch_size=1),
        stages=(Stage(width=32, depth=1, blocks=(block,)),),
        head=PooledHead(),
    )
    network = architecture.build().eval()
    larger = torch.randn(1, 3, 10, 12)
    if cls.traits.resolution_bound and not cls.traits.resizes:
        with pytest.raises(InputError, match=f"weights of {cls.name} .*, but got 10x12$"):
            network(larger)
    else:
        assert network(larger).isfinite().all()


@every_mixer
def test_where_a_single_channel_is_mixed_depthwise_makes_no_difference(
    cls: type[TokenMixer],
) -> None:
    if "depthwise" not in field_domains(cls):
        return
    default: Any = cls()
    both = [dataclasses.replace(default, depthwise=value) for value in (True, False)]
    for shape in (Shape(1, 4, 4), Shape(2, 4, 4)):
        if default.why_invalid(shape) is None:
            sizes = [[value.shape for value in built(each, shape).parameters()] for each in both]
            canonical = {each.canonical(shape) for each in both}
            assert (len(canonical) == 1) == (sizes[0] == sizes[1])
