"""A network to convert for runtimes, with the forms that several of them share."""

from functools import cache, cached_property, lru_cache
from logging import getLogger
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.layers.folding import fold
from ...search_space.shapes import Shape
from ..latency.sentinel import RESOLUTION, Sentinel
from ..measurement_context import seeded
from .graph_files import GraphFiles
from .onnx_graph import evaluate_constants, onnx_graph, scores_of, with_batch
from .part_graphs import PartGraphs
from .program import traced

if TYPE_CHECKING:
    from onnx import ModelProto

_LOG = getLogger(__name__)
_SEED = 0  # any seed does, but weights and images must be equal in every run
_CPU = torch.device("cpu")
_IMAGES = 4
"""Images whose scores prove a joined graph."""
_TOLERANCE = 1e-4
"""Largest difference of its scores from torch's, relative to the largest score."""
_SILENT = 1e-3
"""Largest initial scale of a branch that is taken for silent."""

Array = NDArray[np.float32]


class Source:
    """A network in its folded form and eval mode, with its traced forms, each made once."""

    def __init__(
        self, network: nn.Module, shape: Shape, *, parts: PartGraphs | None = None
    ) -> None:
        """Set the network and the shape of one image.

        Args:
            network: The network.
            shape: Shape of one image.
            parts: Graphs of parts, from which those of the network are put together where that is
                right; None: it is always traced as a whole.
        """
        self.network = network
        self.shape = shape
        self._parts = parts
        self._onnx: dict[int, tuple[bytes, frozenset[str]]] = {}
        self.traced_as: dict[int, str] = {}
        """How the graph of each opset was made: ``parts`` or ``whole``."""
        self._known: dict[int, tuple[Array, Array]] = {}

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """The program of torch.export, for any batch.

        Raises:
            ExportError: If the network cannot be traced.
        """
        return traced(self.network, self.shape)

    def fixed_program(self, images: int) -> torch.export.ExportedProgram:
        """Return the program of torch.export for batches of one size.

        Raises:
            ExportError: If the network cannot be traced.
        """
        return traced(self.network, self.shape, batch=images)

    def onnx(self, opset: int, *, batch: int | None = None) -> bytes:
        """Return the ONNX file.

        Args:
            opset: Version of ONNX's operator set.
            batch: Images in one pass; None: any number.

        Raises:
            ExportError: If the network cannot be traced.
        """
        data = self._graph(opset)[0]
        return data if batch is None else with_batch(data, batch)

    def onnx_operators(self, opset: int) -> frozenset[str]:
        """Return the kinds of operators of the ONNX file.

        Raises:
            ExportError: If the network cannot be traced.
        """
        return self._graph(opset)[1]

    def known(self, count: int) -> tuple[Array, Array]:
        """Return ``count`` images (B, C, H, W), the same in every run, and torch's scores."""
        if count not in self._known:
            generator = torch.Generator().manual_seed(_SEED)
            x_BCHW = torch.randn(count, *self.shape, generator=generator)
            with torch.inference_mode():
                scores = self.network(x_BCHW)
            self._known[count] = x_BCHW.numpy(), scores.numpy()
        return self._known[count]

    def _graph(self, opset: int) -> tuple[bytes, frozenset[str]]:
        if opset not in self._onnx:
            model = self._joined(opset)
            self.traced_as[opset] = "parts" if model else "whole"
            if model is None:
                model = onnx_graph(self.program, opset=opset)
                evaluate_constants(model)
            kinds = {each.op_type for each in model.graph.node}
            kinds |= {each.op_type for function in model.functions for each in function.node}
            self._onnx[opset] = model.SerializeToString(), frozenset(kinds)
        return self._onnx[opset]

    def _joined(self, opset: int) -> "ModelProto | None":
        """Return the graph from those of the parts; None if its scores are not torch's."""
        model = self._parts and self._parts.model(self.network, self.shape, opset)
        if not model:
            return None
        evaluate_constants(model)
        images, wanted = self.known(_IMAGES)
        allowed = _TOLERANCE * (float(np.abs(wanted).max()) or 1.0)
        try:
            for found in scores_of(model, images, batches=(1, _IMAGES)):
                if found.shape != wanted.shape or not np.abs(found - wanted).max() <= allowed:
                    _LOG.info("a graph joined from parts has other scores than torch")
                    return None
        except Exception as error:  # the runtime raises anything
            _LOG.info("a graph joined from parts does not run: %s", error)
            return None
        return model


@lru_cache(maxsize=4)
def source_of(architecture: Architecture, *, by_parts: bool = False) -> Source:
    """Return the source of an architecture, with weights that leave nothing out.

    The last few are kept, so that several runtimes share one trace.

    Args:
        architecture: The architecture.
        by_parts: Whether its graphs may be put together from those of parts of earlier networks.
    """
    with seeded(_SEED, _CPU):
        network = fold(varied(Network(architecture)).eval())
    return Source(network, architecture.input, parts=_parts() if by_parts else None)


@cache
def _parts() -> PartGraphs:
    """Return the graphs of parts of this process."""
    return PartGraphs(files=GraphFiles())


def sentinel_source() -> Source:
    """Return the source of the sentinel."""
    with seeded(_SEED, _CPU):  # its own weights are fixed, but the constructor draws others first
        return Source(Sentinel().eval(), Shape(3, RESOLUTION, RESOLUTION))


def varied(network: nn.Module) -> nn.Module:
    """Return the network with constant initial weights varied, from torch's global generator.

    A runtime leaves out a scale of one and an offset of zero, and a branch that is scaled by zero,
    or almost, shows no error. Trained weights do neither.
    """
    statistics = {name: each for name, each in network.named_buffers() if "running_" in name}
    with torch.no_grad():
        for name, value in {**dict(network.named_parameters()), **statistics}.items():
            if value.numel() > 1 and value.min() == value.max():
                _vary(name, value)
            elif value.numel() == 1 and value.abs() < _SILENT:
                value.fill_(0.5)
    return network


def _vary(name: str, value: Tensor) -> None:
    level = float(value.flatten()[0])
    if name.endswith("running_var"):
        value.uniform_(0.5, 1.5)
    elif abs(level) < _SILENT:
        value.normal_(0.0, 0.2 if value.squeeze().dim() <= 1 else 0.02)
    else:
        value.mul_(torch.empty_like(value).uniform_(0.7, 1.3))
