"""ONNX Runtime with networks in int8."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ..runtimes.onnx_graph import OPSET
from ..runtimes.onnx_runtimes import OnnxRuntime
from ..runtimes.source import Source
from .calibration import CALIBRATION_IMAGES, noise_images
from .quantiser import Quantiser, facts

_SEED = 0


class OnnxRuntimeInt8(OnnxRuntime):
    """ONNX Runtime on the CPU, with dense convolutions and linear layers in int8.

    A time depends on no image, so seeded noise gives the ranges. Int8 loses digits, so scores may
    differ by half of the largest: a file that gives zeros is found.
    """

    name = "onnxruntime-int8"
    tolerance: ClassVar[Mapping[str, float]] = {"float32": 0.5}

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return the ONNX file in int8.

        Raises:
            ExportError: If the network cannot be traced or quantised.
        """
        import onnx

        model = onnx.load_from_string(source.onnx(OPSET))
        quantiser = Quantiser(model, noise_images(source.shape, seed=_SEED))
        return {"model.onnx": quantiser.quantised()}

    def stated(self) -> Mapping[str, Any]:
        """Return the quantiser and its calibration."""
        return facts(CALIBRATION_IMAGES, _SEED)
