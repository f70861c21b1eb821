"""Bases of mixers that are points of the product of attention's choices.

``components/attention`` has the modules: supports, scores, positions and projections.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import LARGEST, YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..attention.extra_tokens import ExtendedProjection, HeadTokens, SlotTokens
from ..attention.module import GroupedAttention
from ..attention.positions import (
    DynamicBias,
    LogOffsetBias,
    LogPerceptronBias,
    OffsetBias,
    Position,
    RelativeLogits,
)
from ..attention.projections import (
    ConvProjection,
    LinearProjection,
    MemoryProjection,
    UnbiasedKeysProjection,
)
from ..attention.scores import Cosine, DotProduct, FeedForwardScore, Rectified, Score, TalkingHeads
from ..attention.supports import Support
from ..base import TokenMixer
from ..initial import small_start
from ..layers.kernel_clipping import depthwise

HEADS = IntRange(0, 64)
"""Numbers of heads; 0: as many as the channels allow."""

WIDTH = Positive(whole=True)
"""Channels of one head."""

SCORE = Choice(("dot_product", "feed_forward", "cosine", "talking_heads"))
"""What compares queries and keys."""

ALIKE = ("dot_product", "feed_forward")
"""Scores that are the same function for all heads."""

LOCAL = Choice(("none", "group", "map"))
"""Where a convolution of the values works."""


def whole_heads(head_dim: int, shape: Shape) -> str | None:
    """Return the rule that the size of a head must divide the channels if it does not, or None."""
    if shape.channels % head_dim:
        return (
            f"head_dim must divide the channels, but got head_dim {head_dim} "
            f"and {shape.channels} channels"
        )
    return None


def too_wide(name: str, channels: int, shape: Shape) -> str | None:
    """Return the rule that all heads' channels must not exceed the largest legal number for each
    channel of the map if they do, or None."""
    most = LARGEST * shape.channels
    if channels <= most:
        return None
    return f"the {name} must have at most {most} channels, but got {channels}"


@dataclass(frozen=True, kw_only=True)
class HeadedAttention(TokenMixer):
    """A base: heads, their width, and the projection."""

    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels where ``heads`` is 0."""
    heads: Annotated[int, HEADS] = 0
    """Number of heads, up to 64; 0: channels of the map / ``head_dim``."""
    qkv_bias: Annotated[bool, YES_NO] = True
    """Whether queries, keys and values have a bias."""
    proj_bias: Annotated[bool, YES_NO] = True
    """Whether the output projection has a bias."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels, or all heads must have a legal number."""
        if self.heads:
            return too_wide("heads", self.inner(shape), shape)
        return whole_heads(self.head_dim, shape)

    def canonical(self, shape: Shape) -> Self:
        """Leave out the number of heads if it follows from the channels."""
        given = super().canonical(shape)
        if self.heads * self.head_dim == shape.channels:
            return replace(given, heads=0)
        return given

    def heads_on(self, shape: Shape) -> int:
        """Return the number of heads on a map."""
        return self.heads or shape.channels // self.head_dim

    def inner(self, shape: Shape) -> int:
        """Return the channels of all heads."""
        return self.heads_on(shape) * self.head_dim

    def linear(self, shape: Shape) -> LinearProjection:
        """Return the linear projection to queries, keys and values."""
        inner = self.inner(shape)
        return LinearProjection(shape.channels, inner, inner, bias=self.qkv_bias)


@dataclass(frozen=True, kw_only=True)
class ProductAttention(HeadedAttention):
    """A base: the choices that go with every support."""

    added = ("key_bias", "slots", "head_tokens")

    score: Annotated[str, SCORE] = "dot_product"
    """What compares a query with a key: their product; a perceptron on both (Neural Attention);
    their cosine times a learned factor (Swin V2); or their product, mixed over heads before and
    after the softmax (CaiT)."""
    key_bias: Annotated[bool, YES_NO] = True
    """Whether keys have a bias too where queries and values have one; a plain linear projection
    alone can lack it (Swin V2)."""
    normaliser: Annotated[str, Choice(("softmax", "relu"))] = "softmax"
    """What makes weights of the scores: softmax; or ReLU, with a layer norm of each head's
    output."""
    projection: Annotated[str, Choice(("linear", "conv"))] = "linear"
    """Map to queries, keys and values: linear, or behind a depthwise 3x3 convolution and batch norm
    (CvT)."""
    local: Annotated[str, LOCAL] = "none"
    """Depthwise 3x3 convolution of the values added to the output: none; inside each group (CSWin's
    locally-enhanced position); on the whole map."""
    memory: Annotated[int, IntRange(0, 64)] = 0
    """Number of learned tokens that all queries also attend to, up to 64; needs a linear
    projection."""
    slots: Annotated[int, IntRange(0, 64)] = 0
    """Number of weighted means of the map that all queries also attend to, with learned weights of
    positions, up to 64; needs a linear projection."""
    head_tokens: Annotated[bool, YES_NO] = False
    """Whether all queries also attend to a token of each head, made of its share of the map's mean
    (DHVT); needs a linear projection, and heads that divide the channels."""

    position: str
    """What is added to the scores by the offset of query and key."""

    @abstractmethod
    def supports(self) -> Sequence[Support]:
        """Return the supports, each for an equal share of the heads."""

    def furthest(self) -> Sequence[tuple[int, int]]:
        """Return for each support the largest offsets, plus one, of rows and columns."""
        return ()

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Supports need equal shares of the heads; memory needs a linear projection."""
        if reason := super().why_invalid(shape, width):
            return reason
        heads, supports = self.heads_on(shape), len(self.supports())
        if heads % supports:
            return f"the number of heads must be even, but got {heads}"
        if self.score == "talking_heads" and self.normaliser != "softmax":
            return f"normaliser must be softmax for talking heads, but got {self.normaliser}"
        for name in ("memory", "slots", "head_tokens"):
            if (given := getattr(self, name)) and self.projection != "linear":
                none = "false" if given is True else 0
                return (
                    f"{name} must be {none} where the projection is not linear, but got {name} "
                    f"{given} and projection {self.projection}"
                )
        if self.head_tokens and shape.channels % heads:
            return (
                f"heads must divide the channels for head tokens, but got {heads} heads and "
                f"{shape.channels} channels"
            )
        return None

    def canonical(self, shape: Shape) -> Self:
        """The bias of keys is a choice only where it can be lacking."""
        given = super().canonical(shape)
        return given if self._lacks_key_bias() else replace(given, key_bias=True)

    def _lacks_key_bias(self) -> bool:
        plain = self.projection == "linear" and not (self.memory or self.slots or self.head_tokens)
        return plain and self.qkv_bias and not self.key_bias

    def projector(self, shape: Shape) -> nn.Module:
        """Return the map to queries, keys and values."""
        inner = self.inner(shape)
        if self._lacks_key_bias():
            return UnbiasedKeysProjection(shape.channels, inner, inner)
        if self.projection == "linear":
            tokens = self._tokens_of_map(shape)
            plain = self.linear(shape)
            return ExtendedProjection(plain, tokens) if tokens else plain
        return ConvProjection(shape.channels, inner, inner, kernel=3, stride=1, bias=self.qkv_bias)

    def linear(self, shape: Shape) -> LinearProjection:
        """Return the linear projection to queries, keys and values, with memory if there is any."""
        if not self.memory:
            return super().linear(shape)
        inner = self.inner(shape)
        return MemoryProjection(
            shape.channels, inner, inner, bias=self.qkv_bias, tokens=self.memory
        )

    def _tokens_of_map(self, shape: Shape) -> list[nn.Module]:
        """Return the modules that make further tokens of the map."""
        found: list[nn.Module] = []
        if self.slots:
            found.append(SlotTokens(shape.channels, self.slots))
        if self.head_tokens:
            found.append(HeadTokens(shape.channels, self.heads_on(shape)))
        return found

    def scorer(self, heads: int) -> Score:
        """Return the score with its normaliser, for the heads of one support."""
        found: Score = DotProduct()
        if self.score == "talking_heads":
            return TalkingHeads(heads)
        if self.score == "cosine":
            found = Cosine(heads)
        if self.score == "feed_forward":
            found = FeedForwardScore(self.head_dim, max(2, self.head_dim // 4))
        return Rectified(found, self.head_dim) if self.normaliser == "relu" else found

    def placer(self, heads: int, rows: int, columns: int) -> Position:
        """Return the positions of one support with its heads and largest offsets plus one."""
        if self.position == "log_offset":
            return LogOffsetBias(heads, rows, columns)
        if self.position == "log_perceptron":
            return LogPerceptronBias(heads)
        if self.position == "dynamic":
            return DynamicBias(heads, max(1, heads * self.head_dim // 16))
        if self.position == "relative":
            return RelativeLogits(self.head_dim, rows, columns)
        return OffsetBias(heads, rows, columns)

    def start(self, attention: nn.Module) -> None:
        """Draw the initial weights of linear maps and convolutions."""
        small_start(attention)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        supports, heads, inner = self.supports(), self.heads_on(shape), self.inner(shape)
        share = heads // len(supports)
        reach = self.furthest() or [(0, 0)] * len(supports)
        if self.position == "log_offset":  # offsets are shares of the largest one that occurs
            reach = [(min(rows, shape.height), min(cols, shape.width)) for rows, cols in reach]
        score = self.scorer(share)
        several = len(supports) if self.local == "group" else 0
        attention = GroupedAttention(
            projection=self.projector(shape),
            channels=shape.channels,
            values=inner,
            proj_bias=self.proj_bias,
            heads=heads,
            supports=supports,
            score=score,
            positions=[self.placer(share, *each) for each in reach if self.position != "none"],
            grouped=[depthwise(share * self.head_dim, (3, 3)) for _ in range(several)],
            local=depthwise(inner, (3, 3)) if self.local == "map" else None,
        )
        self.start(attention)
        for each in score.modules():
            if isinstance(each, nn.Linear):  # Neural Attention starts from torch's own weights
                each.reset_parameters()
        return attention
