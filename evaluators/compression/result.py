"""The result of a compression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network

Holds = Callable[[Architecture], bool]
"""Whether an architecture keeps the bounds; smaller ones do if larger ones do."""


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A smaller network."""

    network: Network
    """The network, with weights made from those of the larger one."""
    kept: Mapping[str, str] = field(default_factory=dict[str, str])
    """What could not be reduced, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Unreachable:
    """The bounds are out of reach."""

    architecture: Architecture
    """The smallest network that the method can make."""
    reason: str = ""
    """What limits it."""
