"""ONNX graphs of networks, made by torch's exporter."""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .exporter_tables import kept_tables
from .program import quiet, untraceable

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET = 20
"""Version of ONNX's operator set: the first with GELU; fewer runtimes read later ones."""

INPUT, OUTPUT, BATCH, HEIGHT, WIDTH = "image", "scores", "batch", "height", "width"
"""Names of the graph's input (batch, C, H, W), its output (batch, K) and their free axes."""

_SCOPES = "pkg.torch.onnx.name_scopes"
"""Key of the exporter's note of a node's modules, a list from the outermost, then the operation."""
_PLACE = "/"
"""Between the module and the name of a node."""


def onnx_graph(
    program: torch.export.ExportedProgram, *, opset: int = OPSET, places: bool = False
) -> "ModelProto":
    """Return the graph of a traced network.

    Args:
        program: A program of ``traced``.
        opset: Version of ONNX's operator set.
        places: Whether the names of nodes begin with their modules, for ``module_of``.

    Raises:
        ExportError: If torch's exporter fails.
    """
    model = _made(program, opset, [INPUT], [OUTPUT], optimize=True).model_proto
    if places:
        _place(model)
    _tidy(model)
    return model


def translated(
    program: torch.export.ExportedProgram,
    opset: int,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> "ModelProto":
    """Return the graph of a program as it is translated, which is not optimized.

    Args:
        program: The program.
        opset: Version of ONNX's operator set.
        inputs: Names of its inputs.
        outputs: Names of its outputs.

    Raises:
        ExportError: If torch's exporter fails.
    """
    model = _made(program, opset, inputs, outputs, optimize=False).model_proto
    _tidy(model)
    return model


def optimized(model: "ModelProto") -> "ModelProto":
    """Return a model as torch's exporter optimizes it.

    Raises:
        ExportError: If that fails.
    """
    import onnx_ir

    try:
        with quiet():
            program = torch.onnx.ONNXProgram(onnx_ir.serde.deserialize_model(model), None)
            program.optimize()
            found = program.model_proto
    except Exception as error:  # the exporter may raise anything
        raise untraceable(error) from error
    _tidy(found)
    return found


def _made(
    program: torch.export.ExportedProgram,
    opset: int,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    optimize: bool,
) -> torch.onnx.ONNXProgram:
    try:
        with quiet(), kept_tables():
            made = torch.onnx.export(
                program,
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=opset,
                optimize=optimize,
                verbose=False,
            )
    except Exception as error:  # the exporter may raise anything
        raise untraceable(error) from error
    assert made is not None
    return made


def module_of(node: "NodeProto") -> str:
    """Return the path of the module that a node with its place in its name belongs to."""
    return node.name.rpartition(_PLACE)[0]


def is_depthwise(node: "NodeProto", model: "ModelProto") -> bool:
    """Whether a node is a convolution with one input channel for each of several groups."""
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    weight = next(each for each in model.graph.initializer if each.name == node.input[1])
    return groups > 1 and weight.dims[1] == 1


def with_batch(data: bytes, images: int) -> bytes:
    """Return an ONNX file with a fixed batch in place of a free one.

    Args:
        data: The file.
        images: Images in one pass.
    """
    import onnx

    model = onnx.load_from_string(data)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = images
    del model.graph.value_info[:]  # stated for a free batch
    return model.SerializeToString()


def _place(model: "ModelProto") -> None:
    """Put the module of each node before its name, as the exporter notes it."""
    for node in model.graph.node:
        noted = next((e.value for e in node.metadata_props if e.key == _SCOPES), "[]")
        *modules, _ = ast.literal_eval(noted) or [""]
        node.name = f"{modules[-1] if modules else ''}{_PLACE}{node.name}"


def evaluate_constants(model: "ModelProto") -> None:
    """Replace all that a graph computes from its weights alone by weights.

    Kernels, tables of positions and spectra are built from weights by operations that some runtimes
    do not have, and that the others run once, when they load the file.
    """
    from onnx import ModelProto, NodeProto, ValueInfoProto, numpy_helper

    graph = model.graph
    known = {"", *(each.name for each in graph.initializer)}
    constant: list[NodeProto] = []
    rest: list[NodeProto] = []
    for node in graph.node:
        fixed = known.issuperset(reads(node)) and not node.op_type.startswith("Random")
        (constant if fixed else rest).append(deepcopy(node))
        known.update(node.output if fixed else ())
    made = {name for node in constant for name in node.output}
    read = {name for node in rest for name in reads(node)}
    needed = sorted(made & read)
    if not needed or any(each.name in made for each in graph.output):
        return
    alone = ModelProto()
    alone.CopyFrom(model)
    del alone.graph.node[:], alone.graph.input[:], alone.graph.output[:], alone.graph.value_info[:]
    alone.graph.node.extend(constant)
    alone.graph.output.extend(ValueInfoProto(name=name) for name in needed)
    values: list[Any] = list(_session(alone).run(needed, {}))
    found = [numpy_helper.from_array(each, name) for name, each in zip(needed, values, strict=True)]
    weights = [deepcopy(each) for each in (*graph.initializer, *found) if each.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(rest)
    graph.initializer.extend(weights)


def scores_of(
    model: "ModelProto", images: NDArray[np.float32], batches: Sequence[int]
) -> Iterator[NDArray[np.float32]]:
    """Yield the scores of images in ONNX Runtime, as the graph is, in batches of each size."""
    session = _session(model)
    for size in batches:
        parts = (images[at : at + size] for at in range(0, len(images), size))
        yield np.concatenate([session.run(None, {INPUT: each})[0] for each in parts])


def _session(model: "ModelProto") -> Any:
    """Return a session of ONNX Runtime that runs a model without its optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)


def reads(node: "NodeProto") -> Iterator[str]:
    """Yield the names of the values that a node reads, and those that graphs inside it read."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from reads(inner)
            yield from (each.name for each in graph.output)


def with_axes_as_attributes(data: bytes, kinds: Collection[str]) -> bytes:
    """Return an ONNX file whose reductions have constant axes as an attribute, the earlier form.

    Args:
        data: The file.
        kinds: The operators that a runtime reads in that form alone.
    """
    import onnx

    model = onnx.load_from_string(data)
    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in kinds and len(node.input) == 2 and node.input[1] in constants:
            axes = onnx.numpy_helper.to_array(constants[node.input.pop()])
            node.attribute.append(onnx.helper.make_attribute("axes", axes.tolist()))
    return model.SerializeToString()


def _tidy(model: "ModelProto") -> None:
    """Name the batch axis, and drop the exporter's notes, which hold paths of this machine and fill
    more than half of a small file."""
    graph = model.graph
    sides = graph.input[0].type.tensor_type.shape.dim  # the batch of further inputs is the same
    names = {
        side.dim_param: name
        for side, name in zip(sides, (BATCH, "", HEIGHT, WIDTH), strict=False)
        if side.dim_param
    }
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            symbolic = side.dim_param
            for symbol, name in names.items():  # also inside an expression
                symbolic = re.sub(rf"\b{symbol}\b", name, symbolic)
            if symbolic:
                side.dim_param = symbolic
    noted = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for item in (model, graph, *(item for items in noted for item in items)):
        del item.metadata_props[:]
