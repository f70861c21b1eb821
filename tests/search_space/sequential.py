"""Sequential references of scans, one position after another, from the papers' equations."""

import torch
from torch import Tensor
from torch.nn import functional as F


def gated_linear_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """Return the outputs (S, h, N, V): one update of the state for each position."""
    state = torch.zeros(*q.shape[:2], q.shape[3], v.shape[3], dtype=q.dtype)
    outputs: list[Tensor] = []
    decay = log_decay.exp()
    for q_t, k_t, v_t, decay_t in zip(*(x.unbind(2) for x in (q, k, v, decay)), strict=True):
        state = decay_t[..., None] * state + k_t[..., None] * v_t[..., None, :]
        outputs.append((q_t[..., None, :] @ state)[..., 0, :])
    return torch.stack(outputs, dim=2)


def selective_scan(x: Tensor, step: Tensor, rate: Tensor, write: Tensor, read: Tensor) -> Tensor:
    """Return the outputs (S, N, E): one update of the state for each position."""
    kept = (step[..., None] * rate).exp()
    added = (step * x)[..., None] * write[:, :, None]
    state = torch.zeros_like(added[:, 0])
    outputs: list[Tensor] = []
    for kept_t, added_t, read_t in zip(*(y.unbind(1) for y in (kept, added, read)), strict=True):
        state = kept_t * state + added_t
        outputs.append((state @ read_t[..., None])[..., 0])
    return torch.stack(outputs, dim=1)


def gated_linear_inputs(
    sequences: int, heads: int, length: int, keys: int, values: int, dtype: torch.dtype
) -> list[Tensor]:
    """Return queries, keys, values and log decays."""
    draw = torch.Generator().manual_seed(1)
    sizes = (sequences, heads, length)
    q, k, gate = (torch.randn(*sizes, keys, generator=draw, dtype=dtype) for _ in range(3))
    v = torch.randn(*sizes, values, generator=draw, dtype=dtype)
    return [q, k, v, F.logsigmoid(gate) / 4]


def selective_inputs(
    sequences: int, length: int, channels: int, state: int, dtype: torch.dtype
) -> list[Tensor]:
    """Return input, steps, rates, and the weights by which the state is written and read."""
    draw = torch.Generator().manual_seed(1)
    x, step = (
        torch.randn(sequences, length, channels, generator=draw, dtype=dtype) for _ in range(2)
    )
    write, read = (
        torch.randn(sequences, length, state, generator=draw, dtype=dtype) for _ in range(2)
    )
    rate = -torch.rand(channels, state, generator=draw, dtype=dtype) - 0.1
    return [x, F.softplus(step - 2), rate, write, read]
