"""Published attention as points of the product of choices: mixers with the knobs of each paper."""

from collections.abc import Mapping
from types import MappingProxyType

from ..base import TokenMixer
from .aggregated import AggregatedAttention
from .attention import Attention, RelativeAttention
from .context_sharing import ContextSharing
from .criss_cross import CrissCrossAttention
from .gated_position import GatedPositionalAttention
from .gathering import SemanticGathering
from .hybrid import HybridWindowAttention
from .levit import LevitAttention
from .neighbourhood import NeighbourhoodMixer
from .pooled import PooledAttention
from .slots import SlotAttention
from .softmax_free import SoftmaxFreeAttention
from .transposed import TransposedAttention
from .windowed import (
    GridAttention,
    HaloAttention,
    IntervalAttention,
    StripeAttention,
    WindowAttention,
)


def _window(side: int, *, shifted: bool = False, position: str = "bias") -> WindowAttention:
    return WindowAttention(
        window_height=side, window_width=side, shifted=shifted, position=position
    )


def _craft(*, shifted: bool) -> WindowAttention:
    return WindowAttention(
        head_dim=8,
        window_height=4,
        window_width=16,
        turned=True,
        shifted=shifted,
        position="dynamic",
        local="map",
    )


ATTENTION_POINTS: Mapping[str, TokenMixer] = MappingProxyType(
    {
        "vit": Attention(head_dim=64, qkv_bias=True, proj_bias=True),
        "caformer": Attention(),
        "memory tokens": Attention(head_dim=64, qkv_bias=True, proj_bias=True, memory=5),
        "dhvt": Attention(head_dim=48, qkv_bias=True, proj_bias=True, head_tokens=True),
        "slots": Attention(head_dim=64, qkv_bias=True, proj_bias=True, slots=8),
        "relu and norm": Attention(head_dim=64, qkv_bias=True, proj_bias=True, normaliser="relu"),
        "neural attention": Attention(head_dim=64, score="feed_forward"),
        "coatnet": RelativeAttention(),
        "lit": RelativeAttention(),
        "levit": LevitAttention(),
        "convit": GatedPositionalAttention(),
        "swin": _window(7),
        "swin shifted": _window(7, shifted=True),
        "maxvit block": _window(7),
        "maxvit grid": GridAttention(grid_size=7),
        "twins local": _window(7, position="none"),
        "twins global": PooledAttention(stride=8, projection="patch"),
        "cvt": PooledAttention(head_dim=64, score_scale="channels"),
        "crossformer short": _window(7, position="dynamic"),
        "crossformer long": IntervalAttention(interval=8),
        "craft": _craft(shifted=False),
        "craft shifted": _craft(shifted=True),
        "cswin": StripeAttention(head_dim=32, stripe=1),
        "sparse transformer": StripeAttention(head_dim=32, stripe=1, local="none"),
        "halonet": HaloAttention(head_dim=16, qkv_bias=False),
        "hat": HybridWindowAttention(head_dim=30, window_height=16, window_width=16),
        "hat shifted": HybridWindowAttention(
            head_dim=30, window_height=16, window_width=16, shifted=True
        ),
        "hat overlapping": HaloAttention(head_dim=30, block_size=16, halo=4, position="bias"),
        "nat": NeighbourhoodMixer(),
        "dinat": NeighbourhoodMixer(dilation=8),
        "ccnet": CrissCrossAttention(),
        "soft": SoftmaxFreeAttention(head_dim=64, landmarks="conv", ratio=8, kernel_size=9),
        "soft++": SoftmaxFreeAttention(
            head_dim=64, landmarks="conv", ratio=8, kernel_size=9, normalised=True
        ),
        "glmix": SlotAttention(),
        "edgenext": TransposedAttention(scales=3),
        "isomer": ContextSharing(),
        "isomer late": SemanticGathering(head_dim=8),
        "transnext": AggregatedAttention(head_dim=24, pool_ratio=8),
    }
)
"""Mixers of published attention by name; where a paper has several sizes, those of an early stage
of its smallest network."""
