"""Tracing of a network by torch's exporter."""

import torch

from ...evaluators.runtimes.program import quiet as quiet
from ...evaluators.runtimes.program import traced
from ...evaluators.runtimes.program import untraceable as untraceable
from ...search_space.architecture.network import Network


def exported_program(
    network: Network, any_resolution: bool = False, batch: int | None = None
) -> torch.export.ExportedProgram:
    """Trace a network in eval mode; see ``traced``.

    Args:
        network: The network.
        any_resolution: Whether the program takes images of any height and width.
        batch: Images in one pass; None: any number.

    Raises:
        ExportError: If the exporter cannot trace a component.
    """
    shape = network.architecture.input
    return traced(network, shape, any_resolution=any_resolution, batch=batch)
