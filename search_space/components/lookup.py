"""A group of layers whose heavy work is on a few tokens, which exchange with the map (LookupViT).

Shape suffixes: B batch, C channels, H rows, W columns, R and S rows and columns of the tokens, M
tokens (R x S), N positions (H x W), h heads, d channels of a head.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from torch import Tensor, nn

from ..domains import YES_NO, Choice, IntRange
from ..shapes import Shape
from .base import Component, Norm
from .channel_mixers.mlp import Mlp
from .initial import small_start
from .mixers.attention import Attention
from .mixers.headed import WIDTH, whole_heads
from .norms import LayerNorm
from .overview_parts import Resize
from .residuals import PlainResidual
from .wired import Block, Residual

if TYPE_CHECKING:
    from .parts import PartList


def _headed(linear: nn.Module, x_BCHW: Tensor, head_dim: int) -> Tensor:
    """Return a linear map of all positions by head, (B, h, N, d)."""
    x_BNC = linear(x_BCHW.flatten(2).transpose(1, 2))
    return x_BNC.unflatten(2, (-1, head_dim)).transpose(1, 2)


class PairProducts(nn.Module):
    """Scaled products of a query of each token and a key of each position."""

    def __init__(self, channels: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)

    def forward(self, x_BCHW: Tensor, tokens_BCRS: Tensor) -> Tensor:
        """Return the products of all pairs, (B, h, M, N)."""
        q_BhMd = _headed(self.query, tokens_BCRS, self.head_dim) * self.head_dim**-0.5
        return q_BhMd @ _headed(self.key, x_BCHW, self.head_dim).transpose(2, 3)


class Exchange(nn.Module):
    """Attention with given products of all pairs: some positions take values of others."""

    def __init__(self, channels: int, head_dim: int, *, infuses: bool) -> None:
        """Build the module.

        Args:
            channels: Channels of tokens and map.
            head_dim: Channels of a head, which divide the channels.
            infuses: Whether the map takes from the tokens, else the tokens from the map.
        """
        super().__init__()
        self.head_dim, self.infuses = head_dim, infuses
        self.value = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, taking_BCHW: Tensor, products_BhMN: Tensor, given_BCHW: Tensor) -> Tensor:
        """Return what the first map takes from the last one, of the first map's shape."""
        v = _headed(self.value, given_BCHW, self.head_dim)
        if self.infuses:
            weights = products_BhMN.softmax(2).transpose(2, 3)
        else:
            weights = products_BhMN.softmax(3)
        mixed = (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        y_BCN = self.proj(mixed).transpose(1, 2)
        return y_BCN.unflatten(2, taking_BCHW.shape[2:]).contiguous()


@dataclass(frozen=True, kw_only=True)
class TokenProducts(Component):
    """Scaled products of queries of the tokens, the second input, and keys of the map."""

    name = "token_products"
    kind = "joint"

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    side: Annotated[int, IntRange(1, 16)] = 5
    """Tokens along each side."""

    def out_shape(self, shape: Shape, width: int | None) -> Shape:
        """Return heads x tokens x positions."""
        return Shape(shape.channels // self.head_dim, self.side**2, shape.tokens)

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return small_start(PairProducts(shape.channels, self.head_dim))


@dataclass(frozen=True, kw_only=True)
class TokenExchange(Component):
    """Attention of the first input to the third, with the products of all pairs, the second."""

    name = "token_exchange"
    kind = "joint"

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    infuses: Annotated[bool, YES_NO] = False
    """Whether the map takes from the tokens, else the tokens from the map."""

    def module(self, shape: Shape, width: int | None) -> nn.Module:
        """Build the module."""
        return small_start(Exchange(shape.channels, self.head_dim, infuses=self.infuses))


@dataclass(frozen=True, kw_only=True)
class LookupBlock(Block):
    """Layers of attention and perceptrons on a few tokens, which read the map and write to it.

    Koner et al., LookupViT, 2024, arXiv:2407.12753, section 3: the tokens, at first the map
    resized, gather from all positions by cross-attention, attend to each other and pass a
    perceptron, then the map takes from the tokens with the same products of queries and keys,
    normalised over the tokens, and passes a narrow perceptron. The operations grow linearly with
    the positions. In the paper the tokens go on through the whole network and have positions and a
    class token; here they go on through the layers of one block, and the map is its output.
    """

    name = "lookup"
    catalogue = ("M36",)

    layers: Annotated[int, IntRange(1, 12)] = 2
    """Layers through which the tokens go, 1 to 12."""
    side: Annotated[int, IntRange(1, 16)] = 5
    """Tokens along each side of the map, 1 to 16."""
    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    ratio: Annotated[int, IntRange(1, 8)] = 4
    """Ratio of hidden channels of the tokens' perceptron to channels, 1 to 8."""
    squeeze: Annotated[int, Choice((1, 2, 4, 8))] = 2
    """Ratio of channels to hidden channels of the map's perceptron; must divide the channels."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before each attention and perceptron."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around each attention and perceptron with its norm."""

    def why_knobs_invalid(self, shape: Shape) -> str | None:
        """The size of a head, and ``squeeze``, must divide the channels."""
        if shape.channels % self.squeeze:
            return (
                f"squeeze must divide the channels, but got squeeze {self.squeeze} and "
                f"{shape.channels} channels"
            )
        return whole_heads(self.head_dim, shape)

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the resized map as tokens, then the layers."""
        tokens = parts.add("tokens", Resize(height=self.side, width=self.side), stream)
        for number in range(self.layers):
            with parts.within(f"layers.{number}"):
                tokens, stream = self._layer(parts, tokens, stream)
        return stream

    def _layer(self, parts: "PartList", tokens: str, stream: str) -> tuple[str, str]:
        """Add one layer; return the names of tokens and map."""
        near = parts.add("norm1", self.norm, tokens)
        far = parts.add("norm2", self.norm, stream)
        found = TokenProducts(head_dim=self.head_dim, side=self.side)
        products = parts.add("products", found, far, near)
        branch = parts.add("gather", TokenExchange(head_dim=self.head_dim), near, products, far)
        tokens = self.residual.wire(parts, "residual1", tokens, branch)

        branch = parts.add("norm3", self.norm, tokens)
        mixer = Attention(head_dim=self.head_dim, qkv_bias=True, proj_bias=True)
        branch = parts.add("mixer", mixer, branch)
        tokens = self.residual.wire(parts, "residual2", tokens, branch)
        branch = parts.add("norm4", self.norm, tokens)
        branch = parts.add("channel_mixer", Mlp(ratio=self.ratio), branch)
        tokens = self.residual.wire(parts, "residual3", tokens, branch)

        near = parts.add("norm5", self.norm, tokens)
        infusion = TokenExchange(head_dim=self.head_dim, infuses=True)
        branch = parts.add("infuse", infusion, far, products, near)
        stream = self.residual.wire(parts, "residual4", stream, branch)
        branch = parts.add("norm6", self.norm, stream)
        branch = parts.add("map_mixer", Mlp(ratio=1 / self.squeeze), branch)
        return tokens, self.residual.wire(parts, "residual5", stream, branch)
