"""Networks with given or reproducible weights."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ...search_space.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.network import Network


def fresh_network(architecture: Architecture, seed: int) -> Network:
    """Return the network as initialised from ``seed``, in eval mode, on the CPU.

    Torch's global generators are left as they were.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the GPUs too.
        torch.default_generator.manual_seed(seed)
        return Network(architecture).eval()


def put_weights(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Copy ``weights`` into ``network``.

    Raises:
        InputError: If names, shapes or types are not exactly those of the network's state.
    """
    state = network.state_dict()
    rule = "the weights must fit the architecture, but"
    if missing := state.keys() - weights.keys():
        raise InputError(f"{rule} lack {_few(missing)}")
    if extra := weights.keys() - state.keys():
        raise InputError(f"{rule} hold {_few(extra)}, which it does not have")
    for name, tensor in state.items():
        needed, given = _form(tensor), _form(weights[name])
        if needed != given:
            raise InputError(f"{rule} {name!r} is {given} and must be {needed}")
    network.load_state_dict(weights)


def _form(tensor: Tensor) -> str:
    sides = "x".join(map(str, tensor.shape)) or "one number"
    return f"{sides} of {str(tensor.dtype).removeprefix('torch.')}"


def _few(names: Iterable[str]) -> str:
    """Return the first three names and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(repr(name) for name in ordered[:3]) + more
