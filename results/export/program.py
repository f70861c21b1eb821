"""Tracing of a network by torch's exporter, for any batch size."""

import torch

from ...evaluators.runtimes.program import quiet as quiet
from ...evaluators.runtimes.program import traced
from ...search_space.architecture.network import Network


def exported_program(
    network: Network, any_resolution: bool = False
) -> torch.export.ExportedProgram:
    """Trace a network in eval mode; see ``traced``.

    Args:
        network: The network.
        any_resolution: Whether the program takes images of any height and width.

    Raises:
        ExportError: If the exporter cannot trace a component.
    """
    return traced(network, network.architecture.input, any_resolution=any_resolution)
