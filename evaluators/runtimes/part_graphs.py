"""ONNX graphs of networks, put together from the graphs of their parts.

Equal parts have equal graphs but for the weights, so each distinct part is traced once. All new
parts of a network are traced together, as one module with an input and an output for each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from logging import getLogger
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ...search_space.components.parts import IMAGE, Key, Part, lenders
from .graph_files import GraphFiles, PartGraph
from .onnx_graph import BATCH, INPUT, OUTPUT, optimized, reads, translated
from .program import ExportError, traced_parts

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto

_LOG = getLogger(__name__)
_COUNT = "images"
"""Name of the number of images in a joined graph."""
_IMAGES = 2
"""Images in a trace, which takes 1 for a constant."""
_MOST = 4096
"""Most graphs that are kept."""

_Form = tuple[Key, tuple[tuple[int, ...], ...], int]
"""Key of a part, the shapes of its inputs, and the version of the operator set."""


@dataclass(frozen=True, kw_only=True)
class _Use:
    """A part of a network with its module and the values that went through it."""

    part: Part
    """The part."""
    module: nn.Module
    """Its module."""
    inputs: tuple[Tensor, ...]
    """Inputs, for two images."""
    is_same: bool
    """Whether the output is the input itself."""

    def form(self, opset: int) -> _Form:
        """Return what determines the graph."""
        return self.part.key, tuple(tuple(each.shape) for each in self.inputs), opset


class _Several(nn.Module):
    """Parts side by side."""

    def __init__(self, uses: Sequence[_Use]) -> None:
        super().__init__()
        self.counts = [len(each.inputs) for each in uses]
        self.parts = nn.ModuleList(each.module for each in uses)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the output of each part for its inputs."""
        found: list[Tensor] = []
        at = 0
        for count, part in zip(self.counts, self.parts, strict=True):
            found.append(part(*inputs[at : at + count]))
            at += count
        return tuple(found)


@dataclass
class PartGraphs:
    """The graphs of the parts of the networks so far."""

    files: GraphFiles | None = None
    """The graphs of other processes and earlier runs; None: none are kept on disk."""
    known: dict[_Form, PartGraph] = field(default_factory=dict[_Form, PartGraph])
    """The graphs of this process."""

    def model(self, network: nn.Module, shape: Sequence[int], opset: int) -> "ModelProto | None":
        """Return the ONNX model of a network; None if it cannot be put together from parts.

        Args:
            network: The network, folded, in eval mode.
            shape: Shape of its images, (C, H, W).
            opset: Version of ONNX's operator set.
        """
        if not isinstance(network, Network) or lenders(network.architecture.parts()):
            return None
        try:
            uses = _uses(network, shape)
            self._learn(uses, opset)
            return optimized(self._joined(uses, opset))
        except (ExportError, _NotApartError) as error:
            _LOG.info("a network is traced as a whole: %s", error)
            return None

    def _learn(self, uses: Sequence[_Use], opset: int) -> None:
        """Trace the parts that are new."""
        if len(self.known) > _MOST:
            self.known.clear()
        new: dict[_Form, _Use] = {}
        for each in uses:
            form = each.form(opset)
            if each.is_same or form in self.known or form in new:
                continue
            kept = self.files and self.files.read(each.part, form[1], opset)
            if kept:
                self.known[form] = kept
            else:
                new[form] = each
        if not new:
            return
        several = _Several(list(new.values()))
        # Copies, since the tracer takes one tensor in two places for one input.
        inputs = tuple(tensor.clone() for each in new.values() for tensor in each.inputs)
        starts = [sum(several.counts[:at]) for at in range(len(new) + 1)]
        names = [f"in{at}" for at in range(len(inputs))], [f"out{at}" for at in range(len(new))]
        model = translated(traced_parts(several, inputs), opset, *names)
        for at, (form, use) in enumerate(new.items()):
            given = tuple(names[0][starts[at] : starts[at + 1]])
            made = _part_graph(model, use.module, f"parts.{at}.", given, names[1][at])
            self.known[form] = made
            if self.files:
                self.files.write(use.part, form[1], opset, made)

    def _joined(self, uses: Sequence[_Use], opset: int) -> "ModelProto":
        """Return the model of a network whose parts are known."""
        from onnx import ModelProto, TensorProto, helper
        from onnx.compose import add_prefix_graph

        first, last = uses[0], uses[-1]
        image = [BATCH, *first.inputs[0].shape[1:]]
        graph = helper.make_graph(
            [helper.make_node("Shape", [INPUT], [_COUNT], start=0, end=1)],
            "main_graph",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, last.part.width])],
        )
        functions: dict[tuple[str, str, str], FunctionProto] = {}
        opsets: dict[str, int] = {}
        values = {IMAGE: INPUT}
        for use in uses:
            name, inputs = use.part.name, [values[each] for each in use.part.inputs]
            if use.is_same:
                values[name] = inputs[0]
                continue
            known = self.known[use.form(opset)]
            renamed = dict(zip(known.inputs, inputs, strict=True))
            renamed |= {old: f"{name}.{new}" for old, new in known.weights.items()}
            renamed |= dict.fromkeys(known.batches, _COUNT)
            own = add_prefix_graph(known.model.graph, f"{name}/", name_map=renamed)
            graph.node.extend(own.node)
            graph.value_info.extend(own.value_info)
            graph.initializer.extend(own.initializer)
            graph.initializer.extend(_weights(use, known))
            values[name] = f"{name}/{known.output}"
            functions |= {(e.domain, e.name, e.overload): e for e in known.model.functions}
            opsets |= {each.domain: each.version for each in known.model.opset_import}
        graph.node.append(helper.make_node("Identity", [values[last.part.name]], [OUTPUT]))
        imports = [helper.make_opsetid(*each) for each in opsets.items()]
        model: ModelProto = helper.make_model(graph, opset_imports=imports)
        model.ir_version = 10
        model.functions.extend(functions.values())
        return model


class _NotApartError(Exception):
    """A network does not consist of parts that can be traced on their own."""


def _weights(use: _Use, known: PartGraph) -> Iterator[Any]:
    """Return the weights of a part as initializers."""
    from onnx import numpy_helper

    state = _state(use.module)
    for name in known.weights.values():
        if name not in state:
            raise _NotApartError
        yield numpy_helper.from_array(state[name].detach().numpy(), f"{use.part.name}.{name}")


def _state(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name."""
    return dict(module.named_parameters(remove_duplicate=False)) | dict(
        module.named_buffers(remove_duplicate=False)
    )


def _uses(network: Network, shape: Sequence[int]) -> list[_Use]:
    """Return the parts of a network in their order, with the values that go through them."""
    found: list[_Use] = []
    hooks: list[Any] = []
    for part in network.architecture.parts():

        def note(module: nn.Module, inputs: Any, output: Any, part: Part = part) -> None:
            if not isinstance(output, Tensor) or not all(isinstance(e, Tensor) for e in inputs):
                raise _NotApartError
            if {len(each) for each in (output, *inputs)} != {_IMAGES}:
                raise _NotApartError
            same = len(inputs) == 1 and output is inputs[0]
            found.append(_Use(part=part, module=module, inputs=tuple(inputs), is_same=same))

        hooks.append(network.get_submodule(part.name).register_forward_hook(note))
    try:
        with torch.no_grad():
            network(torch.zeros(_IMAGES, *shape))
    finally:
        for hook in hooks:
            hook.remove()
    if [each.part for each in found] != list(network.architecture.parts()):
        raise _NotApartError
    return found


def _part_graph(
    model: "ModelProto", module: nn.Module, prefix: str, inputs: tuple[str, ...], output: str
) -> PartGraph:
    """Return the graph of one of the parts of a model."""
    from onnx import ModelProto

    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    batches = frozenset(each.output[0] for each in graph.node if _is_batch(each, graph))
    used: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name and name not in used:
            used.add(name)
            waiting += reads(makers[name]) if name in makers and name not in batches else ()
    if {each.name for each in graph.input} & used - {*inputs}:
        raise _NotApartError
    state = _state(module)
    weights = {
        each.name: each.name.removeprefix(prefix)
        for each in graph.initializer
        if each.name in used and each.name.startswith(prefix)
    }
    if not set(weights.values()) <= set(state):
        raise _NotApartError
    found = ModelProto(opset_import=model.opset_import, functions=model.functions)
    own = found.graph
    own.node.extend(each for each in graph.node if (used - batches) & {*each.output})
    own.value_info.extend(
        each for each in graph.value_info if each.name in used and each.name not in weights
    )
    constants = (each for each in graph.initializer if each.name in used - {*weights})
    for each in constants:
        if each.name.startswith("parts."):  # a weight that another part has too
            raise _NotApartError
        own.initializer.append(each)
    return PartGraph(
        model=found,
        inputs=inputs,
        batches=tuple(sorted(batches & used)),
        output=output,
        weights=weights,
    )


def _is_batch(node: "NodeProto", graph: "GraphProto") -> bool:
    """Whether a node reads the number of images from an input."""
    ends = {each.name: each.i for each in node.attribute}
    given = {each.name for each in graph.input}
    return node.op_type == "Shape" and node.input[0] in given and ends == {"start": 0, "end": 1}
