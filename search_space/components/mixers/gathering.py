"""Attention to a few tokens of each of several soft groups of positions (Isomer).

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), T tokens of a group, G
groups, h heads, d channels of a head.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from ...domains import YES_NO, IntRange
from ...shapes import Shape
from ..base import TokenMixer
from ..initial import keeps_torch_start
from .context_sharing import ISOMER
from .headed import WIDTH, whole_heads


class GroupAttention(nn.Module):
    """Tokens gathered from a group of positions, and attention of all positions to them."""

    def __init__(self, channels: int, *, tokens: int, head_dim: int, softmax: bool) -> None:
        """Build the module.

        Args:
            channels: Channels of the map.
            tokens: Tokens of the group.
            head_dim: Channels of a head, which divide the channels.
            softmax: Whether the weights of a token's positions are positive and sum to one.
        """
        super().__init__()
        self.head_dim, self.softmax = head_dim, softmax
        self.gather = nn.Conv2d(channels, tokens, 1)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        if not keeps_torch_start():
            for each in (self.qkv, self.proj):
                nn.init.xavier_uniform_(each.weight)
                nn.init.zeros_(each.bias)

    def forward(self, x_BCHW: Tensor, share_B1HW: Tensor) -> Tensor:
        """Return what all positions take from the group, (B, N, C)."""
        own_BCHW = x_BCHW * share_B1HW
        weights_BTN = self.gather(own_BCHW).flatten(2)
        if self.softmax:
            weights_BTN = weights_BTN.softmax(2).to(x_BCHW.dtype)
        tokens_BTC = weights_BTN @ own_BCHW.flatten(2).transpose(1, 2)
        C = x_BCHW.shape[1]
        weight, bias = self.qkv.weight, self.qkv.bias
        q_BNC = F.linear(x_BCHW.flatten(2).transpose(1, 2), weight[:C], bias[:C])
        k_BTC, v_BTC = F.linear(tokens_BTC, weight[C:], bias[C:]).chunk(2, 2)
        q, k, v = (
            each.unflatten(2, (-1, self.head_dim)).transpose(1, 2) for each in (q_BNC, k_BTC, v_BTC)
        )
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class GatheringScattering(nn.Module):
    """Soft groups of positions, attention to each group's tokens, and the sum by group."""

    def __init__(self, channels: int, groups: list[GroupAttention]) -> None:
        super().__init__()
        self.assign = nn.Conv2d(channels, len(groups) - 1, 1)
        self.groups = nn.ModuleList(groups)

    def shares(self, x_BCHW: Tensor) -> Tensor:
        """Return the share of each group in each position, (B, G, H, W): they sum to one."""
        logits = F.pad(self.assign(x_BCHW), (0, 0, 0, 0, 0, 1))
        return logits.softmax(1).to(x_BCHW.dtype)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        y_BNC: Tensor | None = None
        shares = self.shares(x_BCHW).split(1, 1)
        for group, share_B1HW in zip(self.groups, shares, strict=True):
            sent_BNC = group(x_BCHW, share_B1HW) * share_B1HW.flatten(2).transpose(1, 2)
            y_BNC = sent_BNC if y_BNC is None else y_BNC + sent_BNC
        assert y_BNC is not None
        return y_BNC.transpose(1, 2).unflatten(2, x_BCHW.shape[2:]).contiguous()


@dataclass(frozen=True, kw_only=True)
class SemanticGathering(TokenMixer):
    """Attention to a few tokens of the foreground and of the background, as groups (Isomer).

    Yuan et al., Isomer, 2023 (semantic gathering-scattering transformer, for late stages): a
    learned map gives each position its share of the groups, weighted sums of a group's positions
    are its tokens, and positions attend to the tokens of their group. In the reference code a
    position with a share above a threshold attends to its group alone, the result is then left
    unused by an error, and a perceptron follows; here each position attends to all groups, weighed
    by its shares, which is the same where the shares are zero or one, and the block has the
    perceptron, norms and residuals.
    """

    name = "semantic_gathering"
    traits = ISOMER

    groups: Annotated[int, IntRange(2, 8)] = 2
    """Groups, 2 to 8: foreground and background, or more."""
    tokens: Annotated[int, IntRange(1, 64)] = 16
    """Tokens of each group, 1 to 64."""
    head_dim: Annotated[int, WIDTH] = 32
    """Channels of one head; must divide the channels."""
    softmax: Annotated[bool, YES_NO] = False
    """Whether a softmax over positions makes the weights of a token's positions, so that tokens do
    not grow with the map."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        groups = [
            GroupAttention(
                shape.channels, tokens=self.tokens, head_dim=self.head_dim, softmax=self.softmax
            )
            for _ in range(self.groups)
        ]
        return GatheringScattering(shape.channels, groups)
