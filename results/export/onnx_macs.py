"""Multiply-adds of an ONNX graph."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Shape = tuple[int, ...]


def conv_macs(out: Shape, weight: Shape) -> int:
    """Return the multiply-adds of a convolution: (B, O, ...) from a kernel (O, C / groups, ...)."""
    return prod(out) * prod(weight[1:])


def product_macs(out: Shape, inner: int) -> int:
    """Return the multiply-adds of a matrix product with output shape ``out``, summed over
    ``inner``.
    """
    return prod(out) * inner


def count_macs(
    model: "ModelProto", size: Sequence[int] | None = None, images: int = 1
) -> int | None:
    """Return the multiply-adds of convolutions and matrix products for one image.

    The result is None if the graph holds an uncounted operation with products, or an unknown shape.

    Args:
        model: The graph.
        size: Channels, height and width of the image; None: those stated in the graph.
        images: Images in one pass, of which the result is the mean.
    """
    if any(node.op_type in _UNCOUNTED for node in model.graph.node):
        return None
    counted = [node for node in model.graph.node if node.op_type in _COUNTED]
    shapes = known_shapes(model, size, images)
    needed = {name for node in counted for name in (*node.input, *node.output) if name}
    if size is not None and (unknown := needed - shapes.keys()):
        shapes |= _shapes_run(model, (images, *size), sorted(unknown))
    if not needed <= shapes.keys():
        return None
    return sum(_COUNTED[node.op_type](node, shapes) for node in counted) // images


def _conv(node: "NodeProto", shapes: Mapping[str, Shape]) -> int:
    return conv_macs(shapes[node.output[0]], shapes[node.input[1]])


def _matmul(node: "NodeProto", shapes: Mapping[str, Shape]) -> int:
    return product_macs(shapes[node.output[0]], shapes[node.input[0]][-1])


def _gemm(node: "NodeProto", shapes: Mapping[str, Shape]) -> int:
    transposed = any(each.name == "transA" and each.i for each in node.attribute)
    return product_macs(shapes[node.output[0]], shapes[node.input[0]][0 if transposed else 1])


_COUNTED: Mapping[str, Callable[["NodeProto", Mapping[str, Shape]], int]] = {
    "Conv": _conv,
    "MatMul": _matmul,
    "Gemm": _gemm,
}

_UNCOUNTED = {
    "Attention",
    "ConvTranspose",
    "DFT",
    "DeformConv",
    "Einsum",
    "GRU",
    "If",
    "LSTM",
    "Loop",
    "RNN",
    "Scan",
}


def _shapes_run(model: "ModelProto", size: Sequence[int], names: Sequence[str]) -> dict[str, Shape]:
    """Return the shapes of tensors in a run on images of a shape (B, C, H, W), for shapes that
    inference cannot find.

    The result is empty if the graph does not run.
    """
    import numpy
    import onnxruntime
    from onnx import ModelProto, ValueInfoProto

    shown = ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    image = numpy.zeros(tuple(size), numpy.float32)
    try:
        session = onnxruntime.InferenceSession(
            shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found: list[Any] = list(session.run([*names], {model.graph.input[0].name: image}))
    except Exception:  # no common base; another check rejects graphs that do not run
        return {}
    return {name: each.shape for name, each in zip(names, found, strict=True)}


def known_shapes(
    model: "ModelProto", size: Sequence[int] | None, images: int = 1
) -> dict[str, Shape]:
    """Return the inferred shapes of the tensors for a number of images."""
    from onnx import ModelProto
    from onnx.shape_inference import infer_shapes

    single = ModelProto()
    single.CopyFrom(model)
    for value in (*single.graph.input, *single.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = images
    if size is not None:
        for side, length in zip(
            single.graph.input[0].type.tensor_type.shape.dim[1:], size, strict=True
        ):
            side.dim_value = length
    del single.graph.value_info[:]  # the exporter's shapes are for any batch size
    graph = infer_shapes(single, data_prop=True).graph
    shapes: dict[str, Shape] = {each.name: tuple(each.dims) for each in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        sides = value.type.tensor_type.shape.dim
        if all(side.HasField("dim_value") for side in sides):
            shapes[value.name] = tuple(side.dim_value for side in sides)
    return shapes
