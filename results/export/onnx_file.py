"""The format ONNX: a graph that runs without torch."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...evaluators.runtimes.onnx_graph import INPUT, OPSET, OUTPUT, onnx_graph
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.base import first_inside
from ...search_space.errors import InputError
from ...search_space.shapes import Shape
from .base import ExportError, ModelFormat, Opened, first_line, in_batches
from .header import read_header
from .onnx_macs import count_macs, known_shapes
from .program import exported_program

if TYPE_CHECKING:
    from onnx import ModelProto


class OnnxFile(ModelFormat):
    """One ONNX file with the weights, checked in ONNX Runtime on the CPU.

    The file holds the folded form of the network.
    """

    name = "onnx"
    ending = ".onnx"
    tolerance = 1e-4
    folded = True
    fixes_batch = True

    def why_not_exportable(self, architecture: Architecture) -> str | None:
        """Return why a component cannot be exported to ONNX, or None."""
        return why_not_in_onnx(architecture) or super().why_not_exportable(architecture)

    def environment(self) -> dict[str, str]:
        """Return the versions of the operator set and of ONNX Runtime."""
        from onnxruntime import __version__

        return {"ONNX opset": str(OPSET), "ONNX Runtime": __version__}

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Trace the network and return the file's contents."""
        from onnx.helper import set_model_props

        model = onnx_graph(exported_program(network.folded(), self.any_resolution, self.batch))
        set_model_props(model, dict(header))
        return {"": model.SerializeToString()}

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the metadata properties of the model."""
        import onnx

        return _header(onnx.load(path, load_external_data=False))

    def open(self, path: Path) -> Opened:
        """Check the file and open it in ONNX Runtime."""
        import onnx
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # The runtime logs to standard error. Its errors are also raised, and its warnings of
        # wrongly stated shapes are covered by our own check.
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            onnx.checker.check_model(str(path), full_check=True)
            model = onnx.load(path)
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the three libraries' errors have no common base
            raise ExportError(f"the ONNX file must be valid, but: {first_line(error)}") from error

        size = _input(model)
        batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or None
        if self.any_resolution:
            _check_stated(model, size)

        def run(images: Tensor) -> Tensor:
            try:
                return torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
            except Exception as error:
                raise ExportError(
                    f"the ONNX file must run on {len(images)} images, but: {first_line(error)}"
                ) from error

        # The exporter folds norms into convolutions and merges equal tensors, so that the file
        # holds neither the network's weights nor their number.
        return Opened(
            run=in_batches(run, batch),
            weights={},
            parameters=None,
            macs=count_macs(model, size, batch or 1),
            batch=batch,
            stored=sum(prod(tensor.dims) for tensor in model.graph.initializer),
        )


def why_not_in_onnx(architecture: Architecture) -> str | None:
    """Return why a component cannot be exported to ONNX, or None."""
    for part in architecture.parts():
        bound = first_inside(part.component, lambda each: not each.exportable())
        if bound:
            return f"a {bound.kind} must be exportable to ONNX, but {bound.name} is not"
    return None


def _check_stated(model: "ModelProto", size: Shape) -> None:
    """Check that no shape stated in a file holds for one image size only.

    Raises:
        ExportError: If a shape does.
    """
    other = size._replace(height=4 * size.height, width=8 * size.width)
    images = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
    for known in (known_shapes(model, each, images) for each in (size, other)):
        for value in model.graph.value_info:
            sides = value.type.tensor_type.shape.dim
            found = known.get(value.name, ())
            for stated, side in zip(sides, found, strict=False):
                if stated.HasField("dim_value") and stated.dim_value != side:
                    raise ExportError(
                        f"the shapes stated in the ONNX file must hold for any image size, but "
                        f"{value.name!r} states a side of {stated.dim_value} where it is {side}"
                    )


def _header(model: "ModelProto") -> dict[str, str]:
    return {each.key: each.value for each in model.metadata_props}


def _input(model: "ModelProto") -> Shape:
    """Return the shape of one image of the network in a file.

    Raises:
        ExportError: If the file was not written by an export.
    """
    try:
        return read_header(_header(model)).input
    except InputError as error:
        raise ExportError(str(error)) from error
