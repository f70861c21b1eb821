"""Convolution kernels that a small network makes of the offsets between places.

Shape suffixes: F filters, I taps down, J taps across; E numbers that describe an offset.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..domains import Choice
from .fourier import full_precision

WINDOW = Choice(("fixed", "learned", "symmetric", "none"))
"""What filters are multiplied by: a decay of fixed or learned rates, or of one for both axes."""

TARGET = 0.01
"""What a decay comes to at the share of the reach that names its rate."""


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """How filters are made."""

    filters: int
    """How many."""
    axes: int
    """1 along a sequence, 2 over a map."""
    product: bool
    """Whether a filter over a map is the product of two along its axes, made apart."""
    bands: int
    """Waves that describe an offset, at least 1."""
    width: int
    """Units of a layer of the network."""
    layers: int
    """Layers between the first and the last."""
    frequency: float
    """Frequency of the sines after each layer, at the start."""
    window: str
    """One of ``WINDOW``."""
    decay_fast: float
    """Share of the reach at which the last filter's window comes to a hundredth."""
    decay_slow: float
    """The same of the first filter's."""


class Sines(nn.Module):
    """Sines of a learned frequency for each unit."""

    def __init__(self, width: int, frequency: float) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.full((width,), frequency))

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape with ``width`` last to itself."""
        return torch.sin(self.frequency * x)


def described(offsets: range, reach: int, bands: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return what describes each offset: (taps, 1 + 2 bands), and its share of the reach.

    Its share of the reach, and cosines and negative sines of ``bands`` frequencies, evenly from
    almost none to ``bands - 1`` turns over all taps.
    """
    steps = torch.arange(offsets.start, offsets.stop, dtype=like.dtype, device=like.device)
    share = steps / max(1, reach)
    turns = torch.linspace(1e-4, bands - 1, bands, dtype=like.dtype, device=like.device)
    angles = steps[:, None] * turns * (2 * math.pi / len(offsets))
    return torch.cat((share[:, None], angles.cos(), -angles.sin()), dim=1), share.abs()


class ImplicitFilter(nn.Module):
    """Filters as functions of the offset: a perceptron with sines, times a window.

    Poli et al., Hyena Hierarchy, 2023, arXiv:2302.10866, section 3.3 and appendix D; over two axes
    Zimerman and Wolf, Multi-Dimensional Hyena, 2023, arXiv:2309.13600, section 4.
    """

    def __init__(self, settings: FilterSettings) -> None:
        super().__init__()
        self.settings = settings
        apart = settings.axes if settings.product else 1
        inputs = (1 + 2 * settings.bands) * (settings.axes // apart)
        self.networks = nn.ModuleList(self._network(inputs) for _ in range(apart))
        rates_F = torch.linspace(
            -math.log(TARGET) / settings.decay_slow,
            -math.log(TARGET) / settings.decay_fast,
            settings.filters,
        )
        learned = settings.window in ("learned", "symmetric")
        axes = 1 if settings.window == "symmetric" else settings.axes
        rates_AF = rates_F.repeat(axes, 1)
        self.rates_AF: Tensor
        if learned:
            self.rates_AF = nn.Parameter(rates_AF)
        else:
            self.register_buffer("rates_AF", rates_AF, persistent=False)
        self.shifts = nn.Parameter(torch.rand(apart, settings.filters)) if learned else None

    def _network(self, inputs: int) -> nn.Module:
        width = self.settings.width
        sines = Sines(width, self.settings.frequency)  # shared by all layers
        layers: list[nn.Module] = [nn.Linear(inputs, width), sines]
        for _ in range(self.settings.layers):
            layers += [nn.Linear(width, width), sines]
        return nn.Sequential(*layers, nn.Linear(width, self.settings.filters, bias=False))

    def forward(self, down: range, across: range, reach: tuple[int, int]) -> Tensor:
        """Return the taps of all filters, (F, I, J).

        Args:
            down: Offsets of rows; on one axis there are none.
            across: Offsets of columns.
            reach: The furthest offset down and across.
        """
        with full_precision(self.rates_AF):
            like = self.rates_AF
            axes = [(across, reach[1])]
            if self.settings.axes == 2:
                axes.insert(0, (down, reach[0]))
            found = [described(*axis, self.settings.bands, like) for axis in axes]
            decays = [
                torch.exp(-share[:, None] * rates.abs())
                for (_, share), rates in zip(found, self._rates(), strict=True)
            ]
            if self.settings.product:
                lines = [
                    self._windowed(self.networks[axis](found[axis][0]), decays[axis], axis)
                    for axis in (0, 1)
                ]
                taps_IJF = lines[0][:, None] * lines[1]
            elif self.settings.axes == 2:
                rows, columns = found[0][0], found[1][0]
                text = torch.cat(
                    (
                        rows[:, None].expand(-1, len(columns), -1),
                        columns.expand(len(rows), -1, -1),
                    ),
                    dim=-1,
                )
                taps_IJF = self._windowed(self.networks[0](text), decays[0][:, None] * decays[1])
            else:
                taps_IJF = self._windowed(self.networks[0](found[0][0]), decays[0])[None]
            return taps_IJF.movedim(-1, 0)

    def _rates(self) -> list[Tensor]:
        rates = list(self.rates_AF)
        return rates * (self.settings.axes // len(rates))

    def _windowed(self, taps: Tensor, decay: Tensor, network: int = 0) -> Tensor:
        """Return taps times window; learned windows have a floor for each network."""
        if self.settings.window == "none":
            return taps
        return taps * (decay if self.shifts is None else decay + self.shifts[network])
