"""What every token mixer must keep beside what every component must, fed from the table."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from nas_explorer.search_space.architecture import Architecture, Stage
from nas_explorer.search_space.base import TokenMixer, field_domains
from nas_explorer.search_space.blocks import MetaFormerBlock
from nas_explorer.search_space.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.heads import PooledHead
from nas_explorer.search_space.mixers import MIXERS
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.stems import PatchStem
from torch import Tensor, nn

every_mixer = pytest.mark.parametrize("cls", MIXERS.values(), ids=list(MIXERS))

SMALL = Shape(32, 5, 6)
LARGE = Shape(32, 41, 41)


def variants(cls: type[TokenMixer]) -> Iterator[TokenMixer]:
    """The default, and the default with each enumerable knob at its extremes, if it can be."""
    default = cls()
    yield default
    for name, domain in field_domains(cls).items():
        try:
            values: Any = {domain.values[0], domain.values[-1]}
        except ValueError:
            continue  # any number: there are no extremes
        extremes = [dataclasses.replace(default, **{name: value}) for value in values]
        yield from (each for each in extremes if each.refuses(SMALL) is None)


def built(mixer: TokenMixer, shape: Shape) -> nn.Module:
    torch.manual_seed(5)
    return mixer.build(shape).eval()


def seen_from(mixer: TokenMixer, shape: Shape, row: int, column: int) -> Tensor:
    """Which input places the output at one place depends on: a boolean map (H, W)."""
    module = built(mixer, shape).double()
    generator = torch.Generator().manual_seed(7)
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
    """Global: every place; none: itself; local and regional: some of the places around."""
    mixer = cls()
    if cls.traits.reach == "global":
        for row in range(SMALL.height):
            assert seen_from(mixer, SMALL, row, 0).all()
        return
    seen = seen_from(mixer, LARGE, 20, 20)
    rows, columns = (seen.nonzero() - 20).abs().amax(0).tolist()
    furthest = max(rows, columns)
    if cls.traits.reach == "none":
        assert furthest == 0
    else:
        assert 1 <= furthest <= (5 if cls.traits.reach == "local" else 19)


@every_mixer
def test_static_weights_do_not_depend_on_the_input(cls: type[TokenMixer]) -> None:
    """What mixes places with fixed weights and no activation is linear; attention is not."""
    if cls.traits.weights == "input-dependent":
        module = built(cls(), SMALL).double()
        x, y = (torch.randn(1, *SMALL, dtype=torch.float64) for _ in range(2))
        zero = module(torch.zeros_like(x))
        assert not torch.allclose(module(x + y) + zero, module(x) + module(y))


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
