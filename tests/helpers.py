"""Functions shared by tests of several folders."""

from pathlib import Path

import torch
import torch.utils.flop_counter  # imported here, since it takes a second
from nas_explorer.results.export.networks import fresh_network
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.sharing import shared_names
from torch import Tensor


def trained(architecture: Architecture) -> dict[str, Tensor]:
    """Give a network weights as after a training: all different except shared ones, batch norm's
    statistics included."""
    generator = torch.Generator().manual_seed(7)
    state = fresh_network(architecture, seed=1).state_dict()
    found = {
        name: tensor * 1.1 + 0.02 * torch.rand(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor + 3 * name.endswith("num_batches_tracked")
        for name, tensor in state.items()
    }
    return found | {name: found[first] for name, first in shared_names(state).items()}


def names(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(each.name for each in folder.iterdir())
