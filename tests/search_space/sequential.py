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


def modal_filter(
    x: Tensor, log_decay: Tensor, angle: Tensor, residue: Tensor, direct: Tensor
) -> Tensor:
    """Return the outputs (S, N, C): one update of each mode's state for each position."""
    pole = torch.polar((-log_decay.exp()).exp(), angle)[..., None]
    weight = torch.complex(*residue.unbind(0))[..., None]
    x_ShNd = x.unflatten(2, (len(direct), -1)).transpose(1, 2)
    state = torch.zeros_like(x_ShNd[:, :, 0, None] * pole)
    outputs: list[Tensor] = []
    for x_t in x_ShNd.unbind(2):
        outputs.append(direct[:, None] * x_t + (weight * state).sum(2).real)
        state = pole * state + x_t[:, :, None]
    return torch.stack(outputs, dim=1).flatten(2)


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


def modal_inputs(
    sequences: int, length: int, heads: int, width: int, modes: int, dtype: torch.dtype
) -> list[Tensor]:
    """Return the input, and the parameters of a filter of ``modes`` modes for each head."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(sequences, length, heads * width, generator=draw, dtype=dtype)
    log_decay = torch.linspace(-5, 0, modes, dtype=dtype).repeat(heads, 1)
    angle = torch.pi * torch.rand(heads, modes, generator=draw, dtype=dtype)
    residue = torch.randn(2, heads, modes, generator=draw, dtype=dtype) / modes
    return [x, log_decay, angle, residue, torch.ones(heads, dtype=dtype)]
