"""Recurrent cells along sequences, with heads that have states of their own.

Shape suffixes: S sequences, N positions, C channels, h heads, D channels of a head's state, G
gates.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LstmHeads(nn.Module):
    """An LSTM for each head; all see the whole input."""

    def __init__(self, channels: int, hidden: int, heads: int) -> None:
        super().__init__()
        size = hidden // heads
        self.heads = nn.ModuleList(nn.LSTM(channels, size, batch_first=True) for _ in range(heads))

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, C) to (S, N, h D)."""
        found = [head(x_SNC)[0] for head in self.heads]
        return found[0] if len(found) == 1 else torch.cat(found, dim=-1)


class SteppedHeads(nn.Module):
    """A cell that is computed position by position, all heads at once."""

    gates = 4
    """Number of maps of the input."""

    def __init__(self, channels: int, hidden: int, heads: int) -> None:
        super().__init__()
        size = hidden // heads
        self.heads = heads
        self.given = nn.Linear(channels, self.gates * hidden)
        self.recurrent_hDE = nn.Parameter(torch.empty(heads, size, self.gates * size))
        bound = size**-0.5
        for each in self.parameters():
            nn.init.uniform_(each, -bound, bound)

    def step(self, given_hGSD: Tensor, before: list[Tensor]) -> list[Tensor]:
        """Return the states after a position, each (h, S, D), the output first.

        Args:
            given_hGSD: Maps of the input.
            before: States before the position; none at the first.
        """
        raise NotImplementedError

    def recalled(self, y_hSD: Tensor) -> Tensor:
        """Return the maps (h, G, S, D) of the last output."""
        return (y_hSD @ self.recurrent_hDE).unflatten(2, (self.gates, -1)).transpose(1, 2)

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, C) to (S, N, h D)."""
        given = self.given(x_SNC).unflatten(2, (self.gates, self.heads, -1))
        states: list[Tensor] = []
        outputs: list[Tensor] = []
        for each in given.permute(1, 3, 2, 0, 4).unbind(0):
            states = self.step(each, states)
            outputs.append(states[0])
        return torch.stack(outputs, dim=2).permute(1, 2, 0, 3).flatten(2)


class GruHeads(SteppedHeads):
    """Gated recurrent units (Cho et al., 2014), reset after the product as in cuDNN."""

    gates = 3

    def __init__(self, channels: int, hidden: int, heads: int) -> None:
        super().__init__(channels, hidden, heads)
        self.bias_hGD = nn.Parameter(torch.empty(heads, self.gates, hidden // heads))
        nn.init.uniform_(self.bias_hGD, -((hidden // heads) ** -0.5), (hidden // heads) ** -0.5)

    def step(self, given_hGSD: Tensor, before: list[Tensor]) -> list[Tensor]:
        """Return the output after a position."""
        y_hSD = before[0] if before else torch.zeros_like(given_hGSD[:, 0])
        recalled = self.recalled(y_hSD) + self.bias_hGD[:, :, None]
        reset, update = (given_hGSD[:, :2] + recalled[:, :2]).sigmoid().unbind(1)
        new_hSD = (given_hGSD[:, 2] + reset * recalled[:, 2]).tanh()
        return [torch.lerp(new_hSD, y_hSD.to(new_hSD.dtype), update.to(new_hSD.dtype))]


class SlstmHeads(SteppedHeads):
    """The scalar LSTM with exponential gates, a normaliser and a stabiliser (Beck et al., 2024)."""

    def step(self, given_hGSD: Tensor, before: list[Tensor]) -> list[Tensor]:
        """Return output, cell, normaliser and stabiliser after a position."""
        if not before:
            enter, _, value, out = given_hGSD.unbind(1)
            cell = value.tanh()
            return [out.sigmoid() * cell, cell, torch.ones_like(cell), enter]
        y, cell, normal, largest = before
        enter, forget, value, out = (given_hGSD + self.recalled(y)).unbind(1)
        kept = F.logsigmoid(forget) + largest
        largest = torch.maximum(enter, kept)
        enter, kept = (enter - largest).exp(), (kept - largest).exp()
        cell = kept * cell + enter * value.tanh()
        normal = (kept * normal + enter).clamp(min=1)
        return [out.sigmoid() * cell / normal, cell, normal, largest]


CELLS: dict[str, type[LstmHeads] | type[SteppedHeads]] = {
    "lstm": LstmHeads,
    "gru": GruHeads,
    "slstm": SlstmHeads,
}
"""Recurrent cells by name."""
