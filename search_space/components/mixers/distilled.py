"""Gated long filters in modal form.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ...domains import Choice, IntRange
from ...shapes import Shape
from ..base import Traits
from ..layers.canonical_forms import ClippedKernel
from ..layers.kernel_clipping import KERNEL, depthwise
from ..sequence.lifting import Lifted
from ..sequence.modal import ModalFilter
from .headed import WIDTH, whole_heads
from .lifted import LiftedMixer


class GatedFilter(nn.Module):
    """Three linear maps with a short convolution: one gates before the long filter, one after."""

    def __init__(self, channels: int, *, kernel_size: int, scan: nn.Module) -> None:
        super().__init__()
        self.in_proj = nn.Conv2d(channels, 3 * channels, 1)
        self.short = depthwise(3 * channels, (kernel_size, kernel_size))
        self.scan = scan
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        after, before, value = self.short(self.in_proj(x_BCHW)).chunk(3, dim=1)
        return self.proj(after * self.scan(before * value))


@dataclass(frozen=True, kw_only=True)
class DistilledHyena(ClippedKernel, LiftedMixer):
    """Hyena whose long filters are sums of modes, so that they are recurrences too.

    Massaroli et al., Laughing Hyena Distillery, 2023: a filter is a few decaying oscillations
    (equation 3.2), and the channels of a head share it (section 4, without the outer products of
    MultiHyena). The same weights run as a convolution by Fourier transforms, or as a recurrence in
    chunks with a state of fixed size. In the paper a trained filter is approximated afterwards;
    here it has this form from the start. The outputs of the routes over the map are summed.
    """

    name = "distilled_hyena"
    traits = Traits(
        catalogue=("Q08",),
        paper="Massaroli et al., Laughing Hyena Distillery: Extracting Compact Recurrences From "
        "Convolutions, 2023, arXiv:2310.18780",
        reach="global",
        weights="input-dependent",
        cost="N",
        any_size_program=False,
    )

    head_dim: Annotated[int, WIDTH] = 8
    """Channels that share a filter; must divide the channels."""
    modes: Annotated[int, IntRange(1, 64)] = 8
    """Modes of a filter, 1 to 64."""
    form: Annotated[str, Choice(("recurrence", "convolution"))] = "recurrence"
    """How the filters are applied: the results are the same."""
    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the depthwise kernel before the gates in pixels, odd, 1 to 31."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The size of a head must divide the channels."""
        return whole_heads(self.head_dim, shape)

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        cores = [
            ModalFilter(shape.channels // self.head_dim, modes=self.modes, form=self.form)
            for _ in range(self.routes())
        ]
        return GatedFilter(
            shape.channels,
            kernel_size=self.kernel_size,
            scan=Lifted(cores, lifting=self.lifting, window=self.window, merged="sum"),
        )
