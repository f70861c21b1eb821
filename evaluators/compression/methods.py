"""The methods that make a smaller network from a trained one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ...search_space.architecture.network import Network
from .depth import leave_out
from .prune import prune
from .result import Compressed, Holds, Unreachable
from .trained import TrainedNetworks


class Method(Protocol):
    """Makes a smaller network that keeps the bounds, or says what the smallest one is."""

    def __call__(
        self, network: Network, trained: TrainedNetworks, holds: Holds, *, by: Sequence[str]
    ) -> Compressed | Unreachable:
        """Return the result.

        Args:
            network: The trained network.
            trained: The images and the loss.
            holds: Whether an architecture keeps the bounds.
            by: Metrics that have bounds, the first is the main one.
        """
        ...


METHODS: Mapping[str, Method] = {"prune": prune, "depth": leave_out}
"""The methods by name."""
