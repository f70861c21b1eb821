"""Linear attention with rectified queries and keys.

Shape suffixes: B batch, C channels, H rows, W columns, N positions (H x W), h heads, d channels of
a head.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from ...shapes import Shape
from ..base import Traits
from ..initial import small_start
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL, depthwise
from .fourier import full_precision
from .headed import WIDTH, HeadedAttention


def rectified_mix(
    x_BCHW: Tensor, q_BhdN: Tensor, k_BhdN: Tensor, v_BhdN: Tensor, *, eps: float
) -> Tensor:
    """Return the values mixed by products of rectified queries and keys, each over its sum.

    The sums over all positions, and their quotient, are taken in full precision.

    Args:
        x_BCHW: The map, for its device.
        q_BhdN: Queries.
        k_BhdN: Keys.
        v_BhdN: Values.
        eps: Number added to the sums.
    """
    with full_precision(x_BCHW):
        q, k, v = F.relu(q_BhdN).float(), F.relu(k_BhdN).float(), v_BhdN.float()
        state_Bhdd = v @ k.transpose(2, 3)
        sums_Bh1d = k.sum(3)[:, :, None]
        mixed_BhdN = (state_Bhdd @ q) / (sums_Bh1d @ q + eps)
    return mixed_BhdN.to(v_BhdN.dtype)


class RectifiedAttention(nn.Module):
    """Attention by products of rectified queries and keys, and a convolution of the values."""

    def __init__(
        self,
        projection: nn.Module,
        channels: int,
        *,
        heads: int,
        head_dim: int,
        kernel: int,
        proj_bias: bool,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.projection = projection
        self.local = depthwise(head_dim, (kernel, kernel))
        self.proj = nn.Conv2d(heads * head_dim, channels, 1, bias=proj_bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        B, _, H, W = x_BCHW.shape
        maps = self.projection(x_BCHW).chunk(3, 1)
        q, k, v_BhdHW = (each.unflatten(1, (self.heads, -1)) for each in maps)
        flat = (each.flatten(3) for each in (q, k, v_BhdHW))
        mixed_BhdN = rectified_mix(x_BCHW, *flat, eps=1e-6)
        local = self.local(v_BhdHW.flatten(0, 1)).unflatten(0, (B, -1))
        y = mixed_BhdN.to(local.dtype).unflatten(3, (H, W)) + local
        return self.proj(y.flatten(1, 2))


@dataclass(frozen=True, kw_only=True)
class SimplifiedLinearAttention(ClippedKernel, HeadedAttention):
    """Linear attention whose kernel is a ReLU, beside a depthwise convolution of the values (SLAB).

    Guo et al., SLAB, 2024, section 3.3: queries and keys are rectified, and each weight is their
    product over its sum; a convolution, the same for all heads, keeps the rank. The reference code
    adds a learned encoding of positions to the keys, which starts at zero and binds it to one
    resolution; here there is none. It multiplies small windows in the quadratic order; here the
    order is always linear in the positions.
    """

    name = "simplified_linear_attention"
    traits = Traits(
        catalogue=("B46",),
        paper="Guo et al., SLAB: Efficient Transformers with Simplified Linear Attention and "
        "Progressive Re-parameterized Batch Normalization, 2024, arXiv:2405.11582",
        code="xinghaochen/SLAB",
        reach="global",
        weights="input-dependent",
        cost="N",
    )

    head_dim: Annotated[int, WIDTH] = 16
    """Channels of one head; must divide the channels where ``heads`` is 0."""
    kernel_size: Annotated[int, KERNEL] = 5
    """Side of the kernel of the convolution in pixels, odd, 1 to 31."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        inner = self.inner(shape)
        module = RectifiedAttention(
            nn.Conv2d(shape.channels, 3 * inner, 1, bias=self.qkv_bias),
            shape.channels,
            heads=self.heads_on(shape),
            head_dim=self.head_dim,
            kernel=self.kernel_size,
            proj_bias=self.proj_bias,
        )
        for each in (module.projection, module.proj):
            small_start(each)
        return module
