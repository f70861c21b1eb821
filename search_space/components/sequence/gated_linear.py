"""Gated linear attention in chunks.

Shape suffixes: S sequences, h heads, N positions, n chunks, T positions of a chunk, K channels of a
key, V of a value, C channels.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from .chunks import carried, split_evenly

CHUNK = 32
"""The most positions of a chunk."""

STRONGEST = -80.0
"""Least sum of log decays over half a full chunk, so that its exponential stays in range."""


def gated_linear_attention(
    q_ShNK: Tensor, k_ShNK: Tensor, v_ShNV: Tensor, log_decay_ShNK: Tensor
) -> Tensor:
    """Return the outputs (S, h, N, V) of attention through a decaying state.

    The state (K, V) of a head is multiplied by the decay of each key channel at each position, then
    the product of key and value is added; the output is the query times the state (Yang et al.,
    2023, arXiv:2312.06635, equation 3). Inside a chunk all positions are computed at once, as in
    section 4.2. A log decay below -5 is raised to it, so that no factor leaves the range
    of a float.
    """
    N = q_ShNK.shape[2]
    given = (q_ShNK, k_ShNK, v_ShNV, log_decay_ShNK)
    q, k, v, log_decay = (split_evenly(each, 2, -(-N // CHUNK)) for each in given)
    T = q.shape[3]
    log_decay = log_decay.float().clamp(min=STRONGEST / (CHUNK // 2))
    since_ShnTK = log_decay.cumsum(3)
    whole_Shn1K = since_ShnTK[:, :, :, -1:]
    half_Shn1K = since_ShnTK[:, :, :, T // 2 : T // 2 + 1]

    added_ShnKV = (k * (whole_Shn1K - since_ShnTK).exp().to(k.dtype)).transpose(3, 4) @ v
    kept_ShnK1 = whole_Shn1K.exp().transpose(3, 4)
    states_ShnKV = carried(added_ShnKV.to(kept_ShnK1.dtype), kept_ShnK1, axis=2)
    y_ShnTV = (q * since_ShnTK.exp().to(q.dtype)) @ states_ShnKV.to(q.dtype)
    scores_ShnTT = (q * (since_ShnTK - half_Shn1K).exp().to(q.dtype)) @ (
        k * (half_Shn1K - since_ShnTK).exp().to(k.dtype)
    ).transpose(3, 4)
    y_ShnTV = y_ShnTV + scores_ShnTT.tril().to(v.dtype) @ v
    return y_ShnTV.flatten(2, 3)[:, :, :N]


class GatedLinearScan(nn.Module):
    """Gated linear attention along sequences; the input holds queries, keys, values and the few
    channels from which the decays are computed."""

    def __init__(
        self, *, heads: int, key_dim: int, value_dim: int, rank: int, temperature: float
    ) -> None:
        super().__init__()
        self.heads, self.temperature = heads, temperature
        self.parts = (heads * key_dim, heads * key_dim, heads * value_dim, rank)
        self.decay = nn.Linear(rank, heads * key_dim)

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, 2 h K + h V + rank) to (S, N, h V)."""
        *three, low_SNr = x_SNC.split(self.parts, dim=-1)
        log_decay_SNC = F.logsigmoid(self.decay(low_SNr)) / self.temperature
        q, k, v, log_decay = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in (*three, log_decay_SNC)
        )
        y_ShNV = gated_linear_attention(q * q.shape[-1] ** -0.5, k, v, log_decay)
        return y_ShNV.transpose(1, 2).flatten(2)
