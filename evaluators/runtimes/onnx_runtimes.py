"""The runtimes that read ONNX files."""

from collections.abc import Mapping
from typing import ClassVar

from .graph_runtime import GraphRuntime
from .onnx_graph import OPSET
from .source import Source


class OnnxRuntime(GraphRuntime):
    """ONNX Runtime on the CPU, which takes any batch."""

    name = "onnxruntime"
    package = "onnxruntime"

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return the ONNX file that an export writes, without its header."""
        return {"model.onnx": source.onnx(OPSET)}


class OpenVino(GraphRuntime):
    """OpenVINO's plug-in for CPUs.

    The batch is fixed, since products over unfolded windows are wrong with a free one (2026.4). A
    Fourier transform has the form of opset 19, since the axis of that of opset 20 is ignored. The
    arithmetic is float32 unless bfloat16 is asked for; by itself the plug-in takes bfloat16 where
    the processor has it.
    """

    name = "openvino"
    extra = "openvino"
    local = ("openvino",)
    package = "openvino"
    precisions = ("float32", "bfloat16")
    tolerance: ClassVar[Mapping[str, float]] = {"float32": 1e-4, "bfloat16": 1e-1}
    free_batch = False

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return an ONNX file; the ruler fixes its batch."""
        has_transform = "DFT" in source.onnx_operators(OPSET)
        return {"model.onnx": source.onnx(18 if has_transform else OPSET)}
