"""Blocks of mobile networks, counted by hand: RepVGG's, MobileNetV4's, those with squeezing."""

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.layers.folding import fold
from nas_explorer.search_space.components.mixers.bottleneck import BottleneckConv
from nas_explorer.search_space.components.mixers.ghost import GhostMixer
from nas_explorer.search_space.components.mixers.mb_conv import MbConv, MbConvDownsampling
from nas_explorer.search_space.components.mixers.rep_conv import RepConv, RepConvStem
from nas_explorer.search_space.components.mixers.universal_inverted import UniversalInverted
from nas_explorer.search_space.shapes import Shape

SHAPE = Shape(32, 8, 8)
DENSE, MAP, HALF = 32 * 32 * 9, 32 * 32, 32 * 16


# Weights of each layer, for the folded forms without norms; squeezing to 8 channels has 256 weights
# twice, 8 and 32 biases, and multiplies each of the 2048 features once.
@pytest.mark.parametrize(
    ("mixer", "params", "macs"),
    [
        (RepConv(branches=3), DENSE + 32, 64 * DENSE),
        (RepConv(depthwise=True), 32 * 9 + 32, 64 * 32 * 9),
        (RepConv(groups=4, kernel_size=1), MAP // 4 + 32, 64 * MAP // 4),
        (RepConv(squeeze=True), DENSE + 32 + 552, 64 * DENSE + 512),
        (BottleneckConv(expansion=1, squeeze=True), 2 * MAP + DENSE + 192 + 552, 0),
        # 64 hidden channels
        (UniversalInverted(ratio=2), 32 * 9 + 64 * 9 + 4 * MAP + 2 * (32 + 64 + 64 + 32), 0),
        (UniversalInverted(ratio=2, first_kernel=0, kernel_size=0), 4 * MAP + 192, 256 * MAP),
        # halves of 32 and 16 channels
        (GhostMixer(ratio=2), MAP + 32 * 9 + 128 + 64 * 16 + 16 * 9 + 64, 64 * (2 * MAP + 432)),
        (MbConv(ratio=2, squeeze=False), 4 * MAP + 576 + 320, 64 * (4 * MAP + 576)),
        (MbConv(ratio=2, squeeze=False, fused=True), 2 * DENSE + 2 * MAP + 192, 0),
        # 22, 21 and 21 channels with kernels of 3, 5 and 7; halves of 32 and 64 channels
        (
            MbConv(ratio=2, squeeze=False, mixed_kernels=3, expand_parts=2, project_parts=2),
            2 * MAP + 22 * 9 + 21 * (25 + 49) + 320,
            64 * (2 * MAP + 1752),
        ),
        (MbConv(ratio=1, squeeze=False, fused=True), DENSE + 64, 64 * DENSE),
        (MbConv(ratio=1, squeeze=False, whole=True), 2 * MAP + 288 + 192, 0),
    ],
    ids=lambda value: value.label() if isinstance(value, TokenMixer) else "",
)
def test_counts_by_hand(mixer: TokenMixer, params: int, macs: int) -> None:
    cost = count_module(fold(mixer.build(SHAPE)), SHAPE)
    assert cost.params == params
    if macs:
        assert cost.macs == macs


def test_a_trained_branch_of_each_kind_folds_into_the_kernel() -> None:
    """Norms that double: the identity, the 1x1 kernel and the 3x3 kernel count twice each."""
    module = RepConv(groups=2).build(Shape(4, 5, 5)).eval()
    for name, value in module.state_dict().items():
        if name.endswith("norm.weight") or name == "conv.identity.weight":
            value.fill_(2)
        elif name.endswith("conv.weight"):
            value.fill_(1)
    kernel = dict(fold(module).named_parameters())["conv.weight"]
    middle = torch.full((4, 2), 4.0)
    middle[torch.arange(4), torch.arange(4) % 2] += 2
    assert torch.allclose(kernel[:, :, 1, 1], middle, atol=1e-4)
    assert torch.allclose(kernel[:, :, 0, 2], torch.full((4, 2), 2.0), atol=1e-4)


def test_squeezing_is_as_wide_as_asked() -> None:
    """A share of the input's channels, of any layer, and with the gate of MobileNetV3."""
    down = MbConvDownsampling(ratio=3, squeeze_ratio=0.75, gate="hard_sigmoid")
    state = down.build(SHAPE, 16).state_dict()
    assert state["squeeze.squeeze.weight"].shape == (24, 96, 1, 1)
    assert down.canonical(SHAPE) == down
    same = MbConv(squeeze=False, gate="hard_sigmoid", squeeze_activation="relu", squeeze_ratio=0.1)
    assert same.canonical(SHAPE) == MbConv(squeeze=False)
    quarter = MbConv(squeeze_ratio=0.26, squeeze_activation="silu")
    assert quarter.canonical(SHAPE) == MbConv()
    assert RepConvStem(squeeze=True).build(Shape(3, 8, 8), 16)[1].squeeze.out_channels == 1
