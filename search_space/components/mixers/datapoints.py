"""Attention between the images of a batch.

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels of
a head.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ...shapes import Shape
from ..base import Traits
from ..initial import small_start
from .headed import HeadedAttention


class BatchAttention(nn.Module):
    """Attention whose tokens are the images of a batch."""

    def __init__(
        self, channels: int, *, heads: int, head_dim: int, qkv_bias: bool, proj_bias: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * heads * head_dim, bias=qkv_bias)
        self.proj = nn.Linear(heads * head_dim, channels, bias=proj_bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        H, W = x_BCHW.shape[2:]
        qkv_BN = self.qkv(x_BCHW.flatten(2).transpose(1, 2))
        q, k, v = (
            qkv_BN.unflatten(2, (3, self.heads, -1)).permute(2, 3, 0, 1, 4).flatten(3)[:, None]
        )
        # An image alone attends to itself alone.
        mixed_hBN = (F.scaled_dot_product_attention(q, k, v) if len(x_BCHW) > 1 else v)[0]
        mixed_BNC = mixed_hBN.unflatten(2, (int(H) * int(W), -1)).permute(1, 2, 0, 3).flatten(2)
        return self.proj(mixed_BNC).transpose(1, 2).unflatten(2, (H, W))


@dataclass(frozen=True, kw_only=True)
class DatapointAttention(HeadedAttention):
    """Attention between the images of a batch, so an image's output depends on the others.

    Kossen et al., Self-Attention Between Datapoints, 2021, section 2.3 (attention between
    datapoints): a whole image is a token, compared by all its positions. The reference maps all
    features of an image by one matrix, which would be as large as the square of the map; here one
    map serves every position, so any map is taken. Scores of images then depend on the batch that
    they come in: a space offers the mixer only by name, never by ``any``, and it is not exported.
    An image alone attends to itself: reach, weights and cost are those of one image.
    """

    name = "datapoint_attention"
    traits = Traits(
        catalogue=("M50",),
        paper="Kossen et al., Self-Attention Between Datapoints: Going Beyond Individual "
        "Input-Output Pairs in Deep Learning, 2021, arXiv:2106.02584",
        code="OATML/non-parametric-transformers",
        reach="none",
        weights="static",
        cost="N",
        any_size_program=False,
        exportable=False,
        mixes_images=True,
    )

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        module = BatchAttention(
            shape.channels,
            heads=self.heads_on(shape),
            head_dim=self.head_dim,
            qkv_bias=self.qkv_bias,
            proj_bias=self.proj_bias,
        )
        return small_start(module)
