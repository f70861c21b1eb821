"""Peak memory against numbers worked by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.architecture import Architecture, Stage
from nas_explorer.search_space.blocks import MetaFormerBlock
from nas_explorer.search_space.channel_mixers.mlp import Mlp, NoChannelMixer
from nas_explorer.search_space.heads import PooledHead
from nas_explorer.search_space.mixers.convolution import LargeKernelConv
from nas_explorer.search_space.norms import LayerNorm, NoNorm
from nas_explorer.search_space.residuals import LayerScaleResidual
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.stems import PatchStem
from torch import Tensor, nn
from torch.nn import functional as F


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def several(x: Tensor) -> Tensor:
    left, right = x * 1, x * 1
    left = left + 1
    return left + right


@pytest.mark.parametrize(
    ("function", "maps"),
    [
        (lambda x: x + 1, 2),  # input and output
        (lambda x: x.view(1, 8).permute(1, 0), 1),  # nothing but the input
        (lambda x: x.add(1).relu_().view(2, 4), 2),  # in place, then a view
        (lambda x: ((x + 1) * 2).exp(), 3),  # the input is held; of the rest, two at a time
        (several, 4),  # left, its successor and right
        (lambda x: torch.cat([x, x]), 3),
        (lambda x: torch.cat([a + 1 for a in x.chunk(2, 1)]), 3),
        (lambda x: x.repeat(4, 1) @ torch.ones(8, 1), 6.5),  # what is made here, and 4 numbers
        (lambda x: x.max(dim=1), 1 + 4 / 32 + 8 / 32),  # a number and an index
        (lambda x: F.relu(x) > 0, 1 + 1 + 8 / 32),
        (lambda x: x.cfloat(), 1),  # a change of type can be a view
        (lambda x: torch.complex(x, x), 3),
    ],
)
def test_a_module(function: Callable[..., Any], maps: float) -> None:
    assert count_module(Apply(function), (8,)).peak_memory == maps * 32


def small(block: MetaFormerBlock) -> Architecture:
    return Architecture(
        input=Shape(3, 8, 8),
        classes=2,
        stem=PatchStem(patch_size=2, norm=NoNorm()),
        stages=(Stage(width=16, depth=2, blocks=(block,)),),
        head=PooledHead(norm=NoNorm()),
    )


MAP = 16 * 4 * 4 * 4
"""Bytes of a map of the small network."""


def test_the_channel_mixer_has_the_most_alive() -> None:
    block = MetaFormerBlock(mixer=LargeKernelConv(kernel_size=3), channel_mixer=Mlp(ratio=4.0))
    # The stream, the normed map, and the hidden map twice: before and after its activation.
    assert architecture_cost(small(block)).peak_memory == (1 + 1 + 4 + 4) * MAP


def test_the_stream_is_alive_beside_its_branch() -> None:
    block = MetaFormerBlock(
        mixer=LargeKernelConv(kernel_size=3),
        channel_mixer=NoChannelMixer(),
        norm=LayerNorm(),
        residual=LayerScaleResidual(),
    )
    # Norm: stream and output. Mixer, scale: the stream, input and output. Sum: stream, branch, sum.
    assert architecture_cost(small(block)).peak_memory == 3 * MAP
    # Without a norm the mixer's input is the stream itself; the scale still needs three.
    bare = MetaFormerBlock(
        mixer=LargeKernelConv(kernel_size=3), channel_mixer=NoChannelMixer(), norm=NoNorm()
    )
    assert architecture_cost(small(bare)).peak_memory == 3 * MAP


def test_a_large_image_has_the_peak_in_the_stem() -> None:
    architecture = Architecture(
        input=Shape(3, 64, 64),
        classes=2,
        stem=PatchStem(patch_size=16, norm=NoNorm()),
        stages=(Stage(width=4, depth=1, blocks=(MetaFormerBlock(),)),),
        head=PooledHead(norm=NoNorm()),
    )
    assert architecture_cost(architecture).peak_memory == 4 * (3 * 64 * 64 + 4 * 4 * 4)
