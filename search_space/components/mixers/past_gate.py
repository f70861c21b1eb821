"""Parallel gated networks along routes over the map."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Annotated, Self

from torch import nn

from ...domains import IntRange
from ...shapes import Shape
from ..base import Traits
from ..sequence.lifting import Lifted
from ..sequence.past_gate import PastGate
from .lifted import LIFTING, LiftedMixer


@dataclass(frozen=True, kw_only=True)
class ParallelGate(LiftedMixer):
    """A recurrent unit without recurrence: all earlier positions at once, and one gate (PGN).

    Jia et al., PGN, 2024, section 3.1: a linear map extracts the history of each position, and a
    gate fuses it with a new value from both. Information passes between positions in one step. As
    in the reference code, the history is that of each channel alone. Differences: the gate's linear
    map mixes channels; the routes over the map are summed, and a linear map follows; the branch of
    short periods (TPGN) is left out. Initial weights are torch's, as there.
    """

    name = "parallel_gate"
    traits = Traits(
        catalogue=("Q11",),
        paper="Jia et al., PGN: The RNN's New Successor is Effective for Long-Range Time Series "
        "Forecasting, 2024, arXiv:2409.17703",
        code="Water2sea/TPGN",
        reach="regional",
        weights="input-dependent",
        cost="N",
    )

    lifting: Annotated[str, LIFTING] = "rows_columns"
    """Sequences that are scanned: all positions row by row (``raster``), and backwards
    (``bidirectional``); both also column by column (``four_way``); each row and each column, both
    ways (``rows_columns``); each window, both ways (``windows``)."""
    reach: Annotated[int, IntRange(1, 127)] = 31
    """Number of earlier positions in the history, 1 to 127."""

    def canonical(self, shape: Shape) -> Self:
        """Clip the reach to the positions before the last one of the longest sequence."""
        given = super().canonical(shape)
        return replace(given, reach=min(self.reach, max(1, max(given.lengths(shape)) - 1)))

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        cores = [PastGate(shape.channels, reach=self.reach) for _ in range(self.routes())]
        return nn.Sequential(
            OrderedDict(
                scan=Lifted(cores, lifting=self.lifting, window=self.window, merged="sum"),
                proj=nn.Conv2d(shape.channels, shape.channels, 1),
            )
        )
