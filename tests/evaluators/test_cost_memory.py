"""Peak memory of modules against numbers worked by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.evaluators.cost.counting.memory import working_memory
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp, NoChannelMixer
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv
from nas_explorer.search_space.components.norms import LayerNorm, NoNorm
from nas_explorer.search_space.components.residuals import LayerScaleResidual
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.walk.choosers import RandomChooser
from torch import Tensor, nn
from torch.nn import functional as F

from ..live_memory import live_peak


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
        (lambda x: x.view(1, 8).permute(1, 0), 1),  # only the input
        (lambda x: x.add(1).relu_().view(2, 4), 2),  # in place, then a view
        (lambda x: ((x + 1) * 2).exp(), 3),  # the input stays live; of the others, two at a time
        (several, 4),  # the left map, its successor and the right map
        (lambda x: torch.cat([x, x]), 3),
        (lambda x: torch.cat([a + 1 for a in x.chunk(2, 1)]), 3),
        (lambda x: x.repeat(4, 1) @ torch.ones(8, 1), 6.5),  # the tensor made here, and 4 numbers
        (lambda x: x.max(dim=1), 1 + 4 / 32 + 8 / 32),  # a number and an index
        (lambda x: F.relu(x) > 0, 1 + 1 + 8 / 32),
        (lambda x: x.float(), 1),  # the tensor has that type already
        (lambda x: x.cfloat(), 3),
        (lambda x: torch.complex(x, x), 3),
        (lambda x: x.view(2, 4).t().reshape(8), 2),  # a copy, since no view is contiguous
        (lambda x: x.view(2, 4).t().contiguous().exp(), 3),
        (lambda x: torch.einsum("bi,j->bij", x, torch.ones(8)) + 1, 1 + 8 + 8),
        (lambda x: F.unfold(x.view(1, 1, 2, 4), 3, padding=1) * 1, 1 + 9 + 9),
        (lambda x: F.max_pool1d(x[None], 2), 1 + 0.5 + 1),  # and indices of 8 bytes each
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
"""Bytes of a feature map of the small network."""

IMAGE = 3 * 8 * 8 * 4
"""Bytes of the image, which the caller keeps live."""


def test_the_channel_mixer_has_the_most_alive() -> None:
    block = MetaFormerBlock(mixer=LargeKernelConv(kernel_size=3), channel_mixer=Mlp(ratio=4.0))
    # The stream, the normed map, and the hidden map twice: before and after its activation.
    assert architecture_cost(small(block)).peak_memory == IMAGE + (1 + 1 + 4 + 4) * MAP


def test_the_stream_is_alive_beside_its_branch() -> None:
    block = MetaFormerBlock(
        mixer=LargeKernelConv(kernel_size=3),
        channel_mixer=NoChannelMixer(),
        norm=LayerNorm(),
        residual=LayerScaleResidual(),
    )
    # Norm: stream and output. Mixer, scale: the stream, input and output. Sum: stream, branch, sum.
    assert architecture_cost(small(block)).peak_memory == IMAGE + 3 * MAP
    # Without a norm the mixer's input is the stream itself; the scale still needs three.
    bare = MetaFormerBlock(
        mixer=LargeKernelConv(kernel_size=3), channel_mixer=NoChannelMixer(), norm=NoNorm()
    )
    assert architecture_cost(small(bare)).peak_memory == IMAGE + 3 * MAP


def test_a_large_image_is_held_to_the_end() -> None:
    architecture = Architecture(
        input=Shape(3, 64, 64),
        classes=2,
        stem=PatchStem(patch_size=16, norm=NoNorm()),
        stages=(Stage(width=4, depth=1, blocks=(MetaFormerBlock(),)),),
        head=PooledHead(norm=NoNorm()),
    )
    # The image, and the live maps of the channel mixer, as above.
    assert architecture_cost(architecture).peak_memory == 4 * (3 * 64 * 64 + 10 * 4 * 4 * 4)


def test_the_layout_that_takes_more_counts() -> None:
    """A contiguous map is not copied, but one in channels-last layout is."""
    taken = count_module(Apply(lambda x: x.contiguous() * 1), (4, 4, 4)).peak_memory
    assert taken == 3 * 256
    taken = count_module(Apply(lambda x: x.permute(0, 2, 3, 1) * 1), (4, 4, 4)).peak_memory
    assert taken == 2 * 256


def test_attention_keeps_no_scores_where_nothing_is_computed() -> None:
    def attend(x: Tensor, mask: Tensor | None) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x, mask)

    for mask, most in ((None, 16 * 8 + 16), (torch.zeros(1, 1, 16, 16), 16 * 8 + 16)):
        x = torch.empty(1, 1, 16, 8)
        found = [
            working_memory(Apply(lambda x, m=m: attend(x, m)), [y])
            for m, y in ((mask, x), (None if mask is None else mask.to("meta"), x.to("meta")))
        ]
        assert found == [4 * most, 4 * most]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_lstms_keep_no_gates_where_nothing_is_computed(
    bidirectional: bool, batch_first: bool
) -> None:
    lstm = nn.LSTM(32, 8, batch_first=batch_first, bidirectional=bidirectional)
    module = Apply(lambda x: lstm(x)[0])
    real = working_memory(module, [torch.zeros(7, 5, 32)])
    lstm.to("meta")
    assert working_memory(module, [torch.zeros(7, 5, 32, device="meta")]) == real


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobile", "universal", "micro"])
def test_a_network_needs_what_is_claimed(name: str) -> None:
    """The figure is that of the live tensors in a run, for random networks on small images."""
    space = load_space(name)
    space = space.bind(channels=3, resolution=max(32, space.resolutions.low), classes=10)
    for seed in range(2):
        architecture = space.walk(RandomChooser(seed)).architecture
        network = architecture.build().eval().folded()
        held = [*network.parameters(), *network.buffers()]
        needed = live_peak(network, torch.zeros(1, *architecture.input), held=held)
        claimed = architecture_cost(architecture).peak_memory
        assert needed <= claimed <= 1.05 * needed, architecture.summary()
