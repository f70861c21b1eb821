"""The runtime LiteRT."""

import io
import sys
from collections.abc import Mapping

import torch

from . import litert_converter
from .converter_process import converted
from .graph_runtime import GraphRuntime
from .litert_converter import LOADED, MADE
from .program import quiet
from .source import Source


class LiteRt(GraphRuntime):
    """LiteRT on the CPU, with XNNPACK for all that it takes; the batch is fixed."""

    name = "litert"
    extra = "litert"
    modules = ("litert_torch",)
    local = ("ai_edge_litert",)
    package = "ai-edge-litert"
    free_batch = False
    batches = (4,)  # each takes long

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return a LiteRT file, converted from a program in another process."""
        buffer = io.BytesIO()
        with quiet():
            torch.export.save(source.fixed_program(images), buffer)
        command = [sys.executable, "-m", litert_converter.__name__]
        return converted(command, {LOADED: buffer.getvalue()}, {MADE: MADE})
