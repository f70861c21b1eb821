"""Builders of networks with given or reproducible weights."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.sharing import shared_names
from ...search_space.errors import InputError
from .base import first_line

N = TypeVar("N", bound=Network)

_MOST_MADE = 2**32
"""Maximal bytes of the tensors that a network computes itself, which its file does not hold."""


def fresh_network(architecture: Architecture, seed: int, kind: type[N] = Network) -> N:
    """Return the network initialised from ``seed``, in eval mode, on the CPU.

    The states of torch's global generators are preserved.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # torch.manual_seed would seed the GPUs too.
        torch.default_generator.manual_seed(seed)
        return kind(architecture).eval()


def trained_network(
    architecture: Architecture, weights: Mapping[str, Tensor], kind: type[N] = Network
) -> N:
    """Return the network with given weights, in eval mode, on the CPU.

    Memory is allocated only after a check that the weights fit.

    Raises:
        InputError: If names, shapes or types are not exactly those of the network's state, or if
            the network or the tensors that it computes itself are too large.
    """
    try:
        with torch.device("meta"):
            outline = kind(architecture)
    except (RuntimeError, OverflowError, TypeError) as error:  # sizes beyond 64 bits
        raise InputError(
            f"a network must have tensors of possible sizes, but: {first_line(error)}"
        ) from error
    state = outline.state_dict()
    _check_fit(state, weights)
    _check_shared(shared_names(state), weights)
    made = sum(each.nbytes for name, each in outline.named_buffers() if name not in state)
    if made > _MOST_MADE:
        raise InputError(
            f"the tensors that a network computes itself must take at most {_MOST_MADE / 1e9:.1f} "
            f"GB, but take {made / 1e9:.1f} GB"
        )
    network = fresh_network(architecture, 0, kind)
    network.load_state_dict(weights)
    return network


def _check_fit(state: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    rule = "the weights must fit the architecture, but"
    if missing := state.keys() - weights.keys():
        raise InputError(f"{rule} lack {_few(missing)}")
    if extra := weights.keys() - state.keys():
        raise InputError(f"{rule} hold {_few(extra)}, which the architecture lacks")
    for name, tensor in state.items():
        needed, given = _form(tensor), _form(weights[name])
        if needed != given:
            raise InputError(f"{rule} {name!r} is {given} and must be {needed}")


def _check_shared(shared: Mapping[str, str], weights: Mapping[str, Tensor]) -> None:
    for name, first in shared.items():
        if not torch.equal(weights[name], weights[first]):
            raise InputError(
                f"the weights must fit the architecture, but {name!r} and {first!r}, which are one "
                f"tensor there, differ"
            )


def _form(tensor: Tensor) -> str:
    sides = "x".join(map(str, tensor.shape)) or "one number"
    return f"{sides} of {str(tensor.dtype).removeprefix('torch.')}"


def _few(names: Iterable[str]) -> str:
    """Return the first three names, and the number of further ones."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(repr(name) for name in ordered[:3]) + more
