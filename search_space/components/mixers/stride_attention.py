"""EfficientFormerV2's attention: talking heads, local values, and fewer positions.

Shape suffixes: B batch, C channels, H rows, W columns, N positions of keys, M positions of queries,
h heads, d channels of a query, e channels of a value.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..base import Downsampling, TokenMixer, Traits
from ..layers.conv_norm import conv_norm
from .levit import BiasedAttention, ValueKnobs, last_map


def halved(shape: Shape) -> Shape:
    """Return the shape of a map with every second row and column."""
    return Shape(shape.channels, -(-shape.height // 2), -(-shape.width // 2))


class TalkingAttention(BiasedAttention):
    """Attention of all positions, or of every second one, with local values.

    Scores are mixed over heads before and after the softmax; a depthwise convolution of the values
    is added to the output, which is scaled up again.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        heads: int,
        key_dim: int,
        value_dim: int,
        strided: bool,
        act: str,
    ) -> None:
        super().__init__(halved(shape) if strided else shape, heads=heads, stride=1)
        channels, keys, values = shape.channels, heads * key_dim, heads * value_dim
        self.sizes = [keys, keys, values]
        self.shrink = None
        if strided:
            self.shrink = conv_norm(
                channels, channels, 3, stride=2, groups=channels, bias=True, folds=True
            )
        self.qkv = conv_norm(channels, sum(self.sizes), bias=True, folds=True)
        self.local = conv_norm(values, values, 3, groups=values, bias=True, folds=True)
        self.before = nn.Conv2d(heads, heads, 1)
        self.after = nn.Conv2d(heads, heads, 1)
        self.proj = last_map(values, channels, act, zero=False, bias=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        if self.shrink is not None:
            x_BCHW = self.shrink(x_BCHW)
        maps = self.qkv(x_BCHW).split(self.sizes, 1)
        q_BhdM, k_BhdN, v_BheN = (each.unflatten(1, (self.heads, -1)).flatten(3) for each in maps)
        scale = q_BhdM.shape[2] ** -0.5
        bias_hMN = self.bias_hD[:, self.distance_MN].to(q_BhdM.dtype)
        scores_BhMN = (scale * q_BhdM).transpose(2, 3) @ k_BhdN + bias_hMN
        weights_BhMN = self.after(self.before(scores_BhMN).softmax(3)).to(v_BheN.dtype)
        mixed_BhMe = weights_BhMN @ v_BheN.transpose(2, 3)
        mixed = mixed_BhMe.transpose(2, 3).flatten(1, 2).unflatten(2, maps[2].shape[2:])
        y = mixed + self.local(maps[2])
        if self.shrink is not None:
            y = F.interpolate(y, (int(H), int(W)), mode="bilinear")
        return self.proj(y)


class ShrinkingLocalAttention(BiasedAttention):
    """Attention of every second row and column to all positions, beside a strided convolution."""

    def __init__(
        self, shape: Shape, width: int, *, heads: int, key_dim: int, value_dim: int, act: str
    ) -> None:
        super().__init__(shape, heads=heads, stride=2)
        channels, keys, values = shape.channels, heads * key_dim, heads * value_dim
        self.sizes = [keys, values]
        self.conv = conv_norm(channels, width, 3, stride=2, bias=True, folds=True)
        self.near = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels)
        self.query = conv_norm(channels, keys, bias=True, folds=True)
        self.kv = conv_norm(channels, keys + values, bias=True, folds=True)
        self.local = conv_norm(values, values, 3, stride=2, groups=values, bias=True, folds=True)
        self.proj = last_map(values, width, act, zero=False, bias=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, width, H / 2, W / 2), rounded up."""
        key, value = self.kv(x_BCHW).split(self.sizes, 1)
        query = self.query(self.near(x_BCHW) + x_BCHW[:, :, ::2, ::2])
        mixed = self.attend(query, key, value) + self.local(value)
        return self.conv(x_BCHW) + self.proj(mixed)


@dataclass(frozen=True, kw_only=True)
class StrideAttention(ValueKnobs, TokenMixer):
    """Attention with talking heads, a bias per distance and local values (EfficientFormerV2).

    Li et al., Rethinking Vision Transformers for MobileNet Size and Speed, 2022, section 3.2: with
    ``strided`` all of it works on every second row and column, behind a depthwise convolution, and
    the output is scaled up bilinearly. Queries, keys and values have batch norms, which fold.
    Initial weights are torch's, as in the reference code. Odd sides, which the reference code
    rejects, are scaled up to their own size.
    """

    name = "stride_attention"
    traits = Traits(
        paper="Li et al., Rethinking Vision Transformers for MobileNet Size and Speed, 2022, "
        "arXiv:2212.08059",
        code="snap-research/EfficientFormer",
        reach="global",
        weights="input-dependent",
        cost="N^2",
        resolution_bound=True,
    )

    key_dim: Annotated[int, IntRange(1, 256)] = 32
    """Channels of one head's query and key, 1 to 256."""
    strided: Annotated[bool, YES_NO] = False
    """Whether attention works on every second row and column."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return TalkingAttention(
            shape,
            heads=self.heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim(),
            strided=self.strided,
            act=self.activation,
        )


@dataclass(frozen=True, kw_only=True)
class StrideAttentionDownsampling(ValueKnobs, Downsampling):
    """Attention from every second row and column, added to a 3x3 convolution (EfficientFormerV2).

    Li et al., 2022, arXiv:2212.08059, section 3.2 (dual-path attention downsampling): queries are a
    map of the positions plus a depthwise convolution of them; values have a depthwise convolution
    of their own. All norms fold.
    """

    name = "stride_attention"
    one_size = True

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // 2), -(-width // 2)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return ShrinkingLocalAttention(
            shape,
            width,
            heads=self.heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim(),
            act=self.activation,
        )
