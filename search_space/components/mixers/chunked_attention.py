"""Attention in chunks behind dilated convolutions, along routes over the map."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import IntRange
from ...shapes import Shape
from ..base import Traits
from ..initial import small_start
from ..sequence.chunked_attention import ChunkedAttention
from ..sequence.lifting import Lifted
from .headed import WIDTH
from .lifted import LiftedMixer


@dataclass(frozen=True, kw_only=True)
class TemporalChunkedAttention(LiftedMixer):
    """Gated attention in chunks of a sequence, behind a dilated temporal convolution (TCNCA).

    Hersche et al., TCNCA, 2023, section 3: MEGA's gated attention with one head (Ma et al., 2022,
    arXiv:2209.10655, equations 7 to 16), whose linear recurrence is replaced by a stack of dilated
    causal convolutions. No code is published. Chosen here: the convolutions are depthwise, with
    a residual each, and scores have no position. The mean over the routes is taken.
    """

    name = "chunked_attention"
    traits = Traits(
        catalogue=("Q14",),
        paper="Hersche et al., TCNCA: Temporal Convolution Network with Chunked Attention for "
        "Scalable Sequence Processing, 2023, arXiv:2312.05605",
        reach="regional",
        weights="input-dependent",
        cost="N",
        any_size_program=False,
    )

    key_dim: Annotated[int, WIDTH] = 16
    """Channels of queries and keys."""
    chunk: Annotated[int, IntRange(1, 1024)] = 64
    """The most positions of a chunk, 1 to 1024."""
    layers: Annotated[int, IntRange(1, 8)] = 4
    """Number of convolutions, 1 to 8."""
    kernel_size: Annotated[int, IntRange(2, 9)] = 3
    """Taps of each convolution, 2 to 9."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the chunk to the longest that occurs, since chunks have equal lengths."""
        given = super().canonical(shape)
        counts = ((length, -(-length // self.chunk)) for length in given.lengths(shape))
        return replace(given, chunk=max(-(-length // count) for length, count in counts))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        cores = [
            ChunkedAttention(
                shape.channels,
                key_dim=self.key_dim,
                chunk=self.chunk,
                layers=self.layers,
                kernel_size=self.kernel_size,
            )
            for _ in range(self.routes())
        ]
        module = Lifted(cores, lifting=self.lifting, window=self.window, merged="mean")
        return small_start(module)
