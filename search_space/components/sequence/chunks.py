"""Chunks of sequences, and states carried from chunk to chunk."""

import torch
from torch import Tensor
from torch.nn import functional as F


def split_evenly(x: Tensor, axis: int, count: int) -> Tensor:
    """Split an axis into ``count`` chunks of equal length; zeros fill the last one."""
    length = -(-x.shape[axis] // count)
    after = [0, 0] * (x.dim() - 1 - axis)
    return F.pad(x, (*after, 0, count * length - x.shape[axis])).unflatten(axis, (count, length))


def carried(added: Tensor, kept: Tensor, axis: int) -> Tensor:
    """Return the state before each chunk, from what each adds and the factor of earlier states.

    Args:
        added: What each chunk adds to a state of zero; ``axis`` counts the chunks.
        kept: Factor of the state before the chunk, of the same type, broadcast to ``added``.
        axis: The axis of the chunks.
    """
    steps = zip(added.unbind(axis)[:-1], kept.unbind(axis)[:-1], strict=True)
    states = [torch.zeros_like(added.select(axis, 0))]
    for each, factor in steps:
        states.append(torch.addcmul(each, states[-1], factor))
    return torch.stack(states, dim=axis)
