"""Convolution kernels that a small network computes from offsets between positions.

Shape suffixes: F filters, I taps down, J taps across; E numbers that describe an offset.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...domains import Choice
from .fourier import full_precision

WINDOW = Choice(("fixed", "learned", "symmetric", "none"))
"""Window of the filters: a decay with fixed rates, learned rates, or one rate for both axes."""

TARGET = 0.01
"""Value of a decay at the share of the reach that defines its rate."""


class Sines(nn.Module):
    """Sines of a learned frequency for each unit."""

    def __init__(self, width: int, frequency: float) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.full((width,), frequency))

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape with ``width`` last to itself."""
        return torch.sin(self.frequency * x)


def described(offsets: range, reach: int, bands: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the encoding of each offset, (taps, 1 + 2 bands), and its share of the reach.

    The encoding is the share of the reach, then cosines and negative sines of ``bands``
    frequencies, evenly spaced from almost 0 to ``bands - 1`` periods over all taps.
    """
    steps = torch.arange(offsets.start, offsets.stop, dtype=like.dtype, device=like.device)
    share = steps / max(1, reach)
    turns = torch.linspace(1e-4, bands - 1, bands, dtype=like.dtype, device=like.device)
    angles = steps[:, None] * turns * (2 * math.pi / len(offsets))
    return torch.cat((share[:, None], angles.cos(), -angles.sin()), dim=1), share.abs()


def _network(inputs: int, filters: int, width: int, layers: int, frequency: float) -> nn.Sequential:
    sines = Sines(width, frequency)  # shared by all layers
    inner: list[nn.Module] = [nn.Linear(inputs, width), sines]
    for _ in range(layers):
        inner += [nn.Linear(width, width), sines]
    return nn.Sequential(*inner, nn.Linear(width, filters, bias=False))


class ImplicitFilter(nn.Module):
    """Filters as functions of the offset: a perceptron with sines, times a window.

    Without a fixed window, the magnitudes of a filter's taps sum to at most 1, so no output exceeds
    the largest input, whatever the number of taps.

    Poli et al., Hyena Hierarchy, 2023, arXiv:2302.10866, section 3.3 and appendix D; over two axes
    Zimerman and Wolf, Multi-Dimensional Hyena, 2023, arXiv:2309.13600, section 4.
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"rates_AF", "shifts"})

    def __init__(
        self,
        filters: int,
        *,
        axes: int,
        product: bool,
        bands: int,
        width: int,
        layers: int,
        frequency: float,
        window: str,
        decay_fast: float,
        decay_slow: float,
    ) -> None:
        """Make the networks.

        Args:
            filters: Number of filters.
            axes: 1 along a sequence, 2 over a map.
            product: Whether a filter over a map is the product of two along its axes.
            bands: Frequencies in the encoding of an offset, at least 1.
            width: Units per layer.
            layers: Layers between the first and the last.
            frequency: Initial frequency of the sines after each layer.
            window: One of ``WINDOW``.
            decay_fast: Share of the reach at which the last filter's window is 0.01.
            decay_slow: Share of the reach at which the first filter's window is 0.01.
        """
        super().__init__()
        self.axes, self.bands = axes, bands
        self.product = product and axes == 2
        self.window = window
        apart = 2 if self.product else 1
        inputs = (1 + 2 * bands) * (axes // apart)
        self.networks = nn.ModuleList(
            _network(inputs, filters, width, layers, frequency) for _ in range(apart)
        )
        slow, fast = (-math.log(TARGET) / share for share in (decay_slow, decay_fast))
        learned = window in ("learned", "symmetric")
        rates_AF = torch.linspace(slow, fast, filters).repeat(
            1 if window == "symmetric" else axes, 1
        )
        self.rates_AF: Tensor
        if learned:
            self.rates_AF = nn.Parameter(rates_AF)
        else:
            self.register_buffer("rates_AF", rates_AF, persistent=False)
        self.shifts = nn.Parameter(torch.rand(apart, filters)) if learned else None

    def forward(self, down: range, across: range, reach: tuple[int, int]) -> Tensor:
        """Return the taps of all filters, (F, I, J).

        Args:
            down: Row offsets; unused on one axis.
            across: Column offsets.
            reach: The furthest offset down and across.
        """
        with full_precision(self.rates_AF):
            like = self.rates_AF
            axes = [(across, reach[1])]
            if self.axes == 2:
                axes.insert(0, (down, reach[0]))
            found = [described(*axis, self.bands, like) for axis in axes]
            decays = [
                torch.exp(-share[:, None] * rates.abs())
                for (_, share), rates in zip(found, self._rates(), strict=True)
            ]
            if self.product:
                lines = [
                    self._windowed(self.networks[axis](found[axis][0]), decays[axis], axis)
                    for axis in (0, 1)
                ]
                taps_IJF = lines[0][:, None] * lines[1]
            elif self.axes == 2:
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
            if self.window != "fixed":
                taps_IJF = taps_IJF / taps_IJF.abs().sum((0, 1)).clamp_min(1)
            return taps_IJF.movedim(-1, 0)

    def _rates(self) -> list[Tensor]:
        rates = list(self.rates_AF)
        return rates * (self.axes // len(rates))

    def _windowed(self, taps: Tensor, decay: Tensor, network: int = 0) -> Tensor:
        """Return the taps times the window; learned windows have one floor per network."""
        if self.window == "none":
            return taps
        return taps * (decay if self.shifts is None else decay + self.shifts[network])
