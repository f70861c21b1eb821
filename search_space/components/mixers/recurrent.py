"""Recurrent cells scanned over the map.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ...domains import Choice, IntRange, Positive
from ...shapes import Shape
from ..base import Traits
from ..initial import glorot_start
from ..layers.canonical_forms import RoundedRatio
from ..sequence.cells import CELLS
from ..sequence.lifting import Lifted
from .lifted import LIFTING, LiftedMixer


class DenseRecurrence(nn.Module):
    """Layers of recurrent cells, each on the input and the outputs of all earlier layers."""

    def __init__(self, layers: Sequence[nn.Module], inner: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inner, channels, 1)
        self.layers = nn.ModuleList(layers)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        *early, last = self.layers
        for layer in early:
            x_BCHW = torch.cat([x_BCHW, layer(x_BCHW)], dim=1)
        return self.proj(last(x_BCHW))


@dataclass(frozen=True, kw_only=True)
class Recurrent(RoundedRatio, LiftedMixer):
    """Recurrent cells along rows and columns, or other routes over the map.

    Tatsunami and Taki, Sequencer, 2022, equations 8 to 11: an LSTM down, up, right and left, whose
    outputs one linear map merges. Layers are densely connected (Ding et al., Densely Connected
    Bidirectional LSTM, 2018,
    arXiv:1802.00889). Heads have recurrent weights and states of their own, and a cell is an LSTM,
    a GRU or an sLSTM (Pöppel et al., FlashRNN, 2024, arXiv:2412.07752); the sLSTM is Beck et al.'s
    (2024, arXiv:2405.04517). GRU and sLSTM run position by position.
    """

    name = "recurrent"
    traits = Traits(
        catalogue=("M51", "Q02", "Q05"),
        paper="Tatsunami and Taki, Sequencer: Deep LSTM for Image Classification, 2022, "
        "arXiv:2205.01972",
        code="okojoalg/sequencer",
        reach="regional",
        weights="input-dependent",
        cost="N",
    )

    lifting: Annotated[str, LIFTING] = "rows_columns"
    """Sequences that are scanned: all positions row by row (``raster``), and backwards
    (``bidirectional``); both also column by column (``four_way``); each row and each column, both
    ways (``rows_columns``); each window, both ways (``windows``)."""
    cell: Annotated[str, Choice(tuple(CELLS))] = "lstm"
    """Recurrent cell."""
    ratio: Annotated[float, Positive()] = 0.25
    """Channels of the state of each route per channel of the map."""
    heads: Annotated[int, Choice((1, 2, 4, 8, 16, 32))] = 1
    """Number of independent states, 1 to 32; must divide the channels of the state."""
    layers: Annotated[int, IntRange(1, 16)] = 1
    """Number of densely connected layers, 1 to 16."""
    merged: Annotated[str, Choice(("concat", "sum"))] = "concat"
    """Whether the outputs of the routes are concatenated or summed."""

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """The heads must divide the state."""
        if self.hidden(shape) % self.heads:
            return (
                f"heads must divide the channels of the state, but got heads {self.heads} "
                f"and {self.hidden(shape)} channels"
            )
        return None

    def one_size_program(self) -> bool:
        """Whether a program takes maps of one size only: all cells but torch's LSTM unroll."""
        return self.cell != "lstm"

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        outputs = hidden * (self.routes() if self.merged == "concat" else 1)
        layers = [
            Lifted(
                [
                    CELLS[self.cell](shape.channels + before * outputs, hidden, self.heads)
                    for _ in range(self.routes())
                ],
                lifting=self.lifting,
                window=self.window,
                merged=self.merged,
            )
            for before in range(self.layers)
        ]
        module = DenseRecurrence(layers, outputs, shape.channels)
        glorot_start(module.proj, bias=0.0)
        return module
