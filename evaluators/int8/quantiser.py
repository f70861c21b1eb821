"""Quantisation of ONNX graphs to int8 after training, by ONNX Runtime's quantiser.

Krishnamoorthi, Quantizing deep convolutional networks for efficient inference: A whitepaper, 2018,
arXiv:1806.08342: weights symmetric and by output channel, maps asymmetric and by tensor.
"""

import tempfile
from collections.abc import Collection, Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..runtimes.onnx_graph import INPUT, is_depthwise, module_of
from ..runtimes.program import ExportError, first_line, quiet

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

KINDS = ("Conv", "Gemm", "MatMul")
"""Operators whose products are computed in int8, where their weights are constants."""
_FLOAT_OUTPUTS = ("Gemm", "MatMul")
"""Those of ``KINDS`` whose outputs stay float; a convolution is faster with an output in int8."""
_AT_ONCE = 32
"""Images of one pass of the calibration."""

Array = NDArray[np.float32]


def quantiser_name() -> str:
    """Return the quantiser with its version."""
    return f"onnxruntime {version('onnxruntime')}"


def facts(images: int, seed: int) -> dict[str, Any]:
    """Return what the provenance of a value in int8 states.

    Args:
        images: Number of calibration images.
        seed: Seed of their choice.
    """
    return {
        "quantiser": quantiser_name(),
        "calibration_images": images,
        "calibration_seed": seed,
    }


class Quantiser:
    """A network as an ONNX graph, with the ranges of its maps on calibration images.

    Weights of dense convolutions and linear maps become int8, and the maps before and after these
    uint8, with the smallest and largest values of the calibration images as their range. All else
    stays float: depthwise convolutions, pooling, norms, activations and products of two maps are
    slower in int8 in ONNX Runtime, and lose more.
    """

    def __init__(self, model: "ModelProto", images: Array) -> None:
        """Set the graph and the images.

        Args:
            model: A graph of ``onnx_graph`` in float32, with the modules of its nodes as names.
            images: Calibration images, normalised, (N, C, H, W).
        """
        self.model = model
        self.images = images

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules whose weights can be int8, in the order of the graph."""
        return tuple(dict.fromkeys(module_of(each) for each in self._nodes))

    def quantised(self, *, keep: Collection[str] = ()) -> bytes:
        """Return the ONNX file in int8.

        Args:
            keep: Names of ``modules`` that stay float.

        Raises:
            ExportError: If nothing is left to quantise, or the quantiser fails.
        """
        chosen = [each.name for each in self._nodes if module_of(each) not in keep]
        if not chosen:
            raise ExportError(
                "a network in int8 must have dense convolutions or linear maps with constant "
                "weights, but none is left"
            )
        try:
            return self._quantised(chosen)
        except Exception as error:  # the quantiser may raise anything
            raise ExportError(
                f"the network must be quantised by {quantiser_name()}, but: {first_line(error)}"
            ) from error

    @cached_property
    def _nodes(self) -> "list[NodeProto]":
        constants = {each.name for each in self.model.graph.initializer}
        return [
            node
            for node in self.model.graph.node
            if node.op_type in KINDS
            and node.input[1] in constants
            and node.input[0] not in constants
            and not is_depthwise(node, self.model)
        ]

    def _quantised(self, chosen: list[str]) -> bytes:
        from onnxruntime.quantization import QDQQuantizer, QuantType

        make: Any = QDQQuantizer
        with quiet(), tempfile.TemporaryDirectory(prefix="nas-int8-") as folder:
            quantizer = make(
                self._copy(),
                per_channel=True,
                reduce_range=False,
                weight_qType=QuantType.QInt8,
                activation_qType=QuantType.QUInt8,
                tensors_range=self._ranges,
                nodes_to_quantize=chosen,
                nodes_to_exclude=[],
                op_types_to_quantize=list(KINDS),
                extra_options={"OpTypesToExcludeOutputQuantization": list(_FLOAT_OUTPUTS)},
            )
            quantizer.quantize_model()
            path = Path(folder) / "int8.onnx"
            quantizer.model.save_model_to_file(str(path), False)
            return path.read_bytes()

    @cached_property
    def _ranges(self) -> Any:
        """The smallest and largest values of the maps."""
        import onnx
        from onnxruntime.quantization import create_calibrator

        make: Any = create_calibrator
        with tempfile.TemporaryDirectory(prefix="nas-int8-") as name:
            folder = Path(name)
            onnx.save_model(self._copy(), str(folder / "float.onnx"))
            augmented = str(folder / "augmented.onnx")
            calibrator = make(folder / "float.onnx", list(KINDS), augmented_model_path=augmented)
            calibrator.collect_data(_Batches(self.images))
            return calibrator.compute_data()

    def _copy(self) -> "ModelProto":
        import onnx

        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        return copy


class _Batches:
    """The reader of the calibration."""

    def __init__(self, images: Array) -> None:
        self._rest: Iterator[Array] = (
            images[at : at + _AT_ONCE] for at in range(0, len(images), _AT_ONCE)
        )

    def get_next(self) -> dict[str, Array] | None:
        """Return the next images; None at the end."""
        found = next(self._rest, None)
        return None if found is None else {INPUT: found}
