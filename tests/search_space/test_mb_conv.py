"""The inverted residual of EfficientNet, with and without experts: counted by hand."""

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.mixers.mb_conv import MbConv, MbConvDownsampling
from nas_explorer.search_space.shapes import Shape

SHAPE = Shape(32, 8, 8)


# 64 hidden channels: maps of 2048 weights, kernels of 576, norms of 128, 128 and 64, and
# squeezing to 8 channels with 512 + 8 and 512 + 64 weights.
@pytest.mark.parametrize(
    ("mixer", "params", "macs"),
    [
        (MbConv(ratio=2), 4672 + 320 + 1096, 64 * 4672 + 1024),
        # two experts: all kernels twice, a routing, and their combination once an image
        (MbConv(ratio=2, experts=2), 2 * 4672 + 320 + 1096 + 66, 64 * 4672 + 1024 + 9344 + 64),
        # no expansion: 32 hidden channels, kernels of 288
        (MbConv(ratio=1), 288 + 1024 + 128 + 264 + 288, 64 * 1312 + 512),
    ],
    ids=lambda value: value.label() if isinstance(value, MbConv) else "",
)
def test_counts_by_hand(mixer: MbConv, params: int, macs: int) -> None:
    cost = count_module(mixer.build(SHAPE).eval(), SHAPE)
    assert (cost.params, cost.macs) == (params, macs)


def test_one_expert_of_share_one_half_is_half_a_kernel() -> None:
    """With routing logits of zero each expert has the weight 1/2, at every stride."""
    torch.manual_seed(0)
    x = torch.randn(2, *SHAPE)
    for stride in (1, 2):
        down = MbConvDownsampling(stride=stride, ratio=1, experts=1).build(SHAPE, 16).eval()
        plain = MbConvDownsampling(stride=stride, ratio=1).build(SHAPE, 16).eval()
        for name, value in down.state_dict().items():
            if name.startswith("routing"):
                value.zero_()
            else:
                half = 0.5 if name.endswith("bank.weight") else 1
                plain.state_dict()[name.replace("bank", "conv")].copy_(half * value)
        assert torch.allclose(down(x), plain(x), rtol=1e-4, atol=1e-5)
