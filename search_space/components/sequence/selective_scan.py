"""Selective scans: linear recurrences of single channels whose steps depend on the input.

Shape suffixes: S sequences, N positions, n chunks, T positions of a chunk, E channels, M numbers of
a channel's state.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .chunks import carried, split_evenly


def selective_scan(
    x_SNE: Tensor, step_SNE: Tensor, rate_EM: Tensor, write_SNM: Tensor, read_SNM: Tensor
) -> Tensor:
    """Return the outputs (S, N, E) of a linear recurrence of each channel.

    At each position the state (M numbers) is multiplied by ``exp(step * rate)``, then ``step * x *
    write`` is added; the output is its product with ``read`` (Gu and Dao, Mamba, 2023,
    arXiv:2312.00752, equation 2). The sequence is cut into about as many chunks as a chunk has
    positions. All chunks go through their positions at the same time, from a state of zero; then
    the last states are carried from chunk to chunk.
    """
    N = x_SNE.shape[1]
    count = math.ceil(N / math.ceil(math.sqrt(N)))
    given = (step_SNE * x_SNE, step_SNE, write_SNM, read_SNM)
    x, step, write, read = (split_evenly(each, 1, count) for each in given)
    reads = read[..., None].unbind(2)
    state_SnEM = x.new_zeros(*x.shape[:2], *rate_EM.shape)
    outputs: list[Tensor] = []
    for x_SnE1, step_SnE1, write_Sn1M, read_SnM1 in zip(
        x[..., None].unbind(2),
        step[..., None].unbind(2),
        write[..., None, :].unbind(2),
        reads,
        strict=True,
    ):
        kept_SnEM = state_SnEM * (step_SnE1 * rate_EM).exp()
        state_SnEM = torch.addcmul(kept_SnEM, x_SnE1, write_Sn1M)
        outputs.append(state_SnEM @ read_SnM1)
    if count == 1:
        return torch.cat(outputs, dim=-1).squeeze(1).transpose(1, 2)

    since = step.cumsum(2)[..., None].unbind(2)
    before_SnEM = carried(state_SnEM, (since[-1] * rate_EM).exp(), axis=1)
    found = [
        here + (before_SnEM * (since_SnE1 * rate_EM).exp()) @ read_SnM1
        for here, since_SnE1, read_SnM1 in zip(outputs, since, reads, strict=True)
    ]
    return torch.cat(found, dim=-1).transpose(2, 3).flatten(1, 2)[:, :N]


class SelectiveScan(nn.Module):
    """A selective scan along sequences, with a direct path, all computed from its input."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"log_rate_EM"})

    STEPS: ClassVar[tuple[float, float]] = (0.001, 0.1)
    """The least and the largest initial step."""

    def __init__(self, channels: int, *, state: int, rank: int) -> None:
        super().__init__()
        self.parts = (rank, state, state)
        self.given = nn.Linear(channels, rank + 2 * state, bias=False)
        self.step = nn.Linear(rank, channels)
        rates_M = torch.arange(1, state + 1, dtype=torch.float32)
        self.log_rate_EM = nn.Parameter(rates_M.log().repeat(channels, 1))
        self.direct_E = nn.Parameter(torch.ones(channels))
        least, most = map(math.log, self.STEPS)
        steps = (least + (most - least) * torch.rand(channels)).exp()
        with torch.no_grad():  # the inverse of softplus
            self.step.bias.copy_(steps + (-torch.expm1(-steps)).log())

    def forward(self, x_SNE: Tensor) -> Tensor:
        """Map (S, N, E) to itself."""
        low_SNr, write_SNM, read_SNM = self.given(x_SNE).split(self.parts, dim=-1)
        step_SNE = F.softplus(self.step(low_SNr).float())
        x_SNE = x_SNE.float()
        rate_EM = -self.log_rate_EM.float().exp()
        y_SNE = selective_scan(x_SNE, step_SNE, rate_EM, write_SNM.float(), read_SNM.float())
        return (y_SNE + self.direct_E * x_SNE).to(low_SNr.dtype)
