"""The runtime ExecuTorch."""

from collections.abc import Mapping
from typing import Any

from .graph_runtime import GraphRuntime
from .program import quiet, untraceable
from .source import Source


class ExecuTorch(GraphRuntime):
    """ExecuTorch on the CPU, with XNNPACK for all that it takes; the batch is fixed.

    The bounds of a free batch are not kept by every operator (1.5).
    """

    name = "executorch"
    extra = "executorch"
    modules = ("executorch",)
    package = "executorch"
    free_batch = False
    batches = (4,)  # each takes long

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return a program, lowered to XNNPACK.

        Raises:
            ExportError: If the network cannot be traced, or an operator has no form in ExecuTorch.
        """
        program = source.fixed_program(images)
        try:
            with quiet():
                from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # pyright: ignore[reportMissingImports]
                    XnnpackPartitioner,
                )
                from executorch.exir import (  # pyright: ignore[reportMissingImports]
                    to_edge_transform_and_lower,
                )

                lower: Any = to_edge_transform_and_lower
                partitioner: Any = XnnpackPartitioner
                lowered = lower(program, partitioner=[partitioner()]).to_executorch()
        except Exception as error:  # the exporter may raise anything
            raise untraceable(error) from error
        return {"model.pte": bytes(lowered.buffer)}
