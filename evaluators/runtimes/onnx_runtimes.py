"""The runtimes that read ONNX files, or files made from them."""

import importlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from .converter_process import converted
from .graph_runtime import GraphRuntime
from .onnx_graph import OPSET, with_axes_as_attributes
from .program import ExportError, first_line, quiet
from .source import Source

_TRANSFORM_OPSET = 18
"""Operator set of graphs with a Fourier transform, for runtimes that ignore its axis in 20."""
_AXES_READ_AS_ATTRIBUTES = ("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp")
"""Reductions that MNN makes over all axes, in silence, where the axes are an input (3.6.1)."""


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
        return {"model.onnx": source.onnx(_opset(source))}

    def export(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return OpenVINO's graph for one batch, and its weights, in float32."""
        ov: Any = importlib.import_module("openvino")
        onnx = source.onnx(_opset(source))
        with tempfile.TemporaryDirectory(prefix="nas-convert-") as name:
            try:
                with quiet():
                    model: Any = ov.Core().read_model(onnx, b"")
                    model.reshape([images, *source.shape])
                    ov.save_model(model, f"{name}/model.xml", compress_to_fp16=False)
            except Exception as error:  # OpenVINO's errors have no base
                raise ExportError(
                    f"OpenVINO must convert the network, but: {first_line(error)}"
                ) from error
            return {each.name: each.read_bytes() for each in sorted(Path(name).iterdir())}


class Tract(GraphRuntime):
    """The inference engine tract, with one thread; the batch is fixed."""

    name = "tract"
    extra = "tract"
    local = ("tract",)
    package = "tract"
    threaded = False
    free_batch = False

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return an ONNX file for one batch."""
        return {"model.onnx": source.onnx(OPSET, batch=images)}


class Mnn(GraphRuntime):
    """MNN on the CPU, with its arithmetic set to float32.

    The converter is called without MNN's command, which installs a package on its first call. The
    batch is fixed, since rows of a free one may differ (3.6). Some reductions have their axes as
    attributes, as until opset 17: the converter ignores an input (``_AXES_READ_AS_ATTRIBUTES``).
    Some functions are less exact than torch's (3.6: up to 3e-4 in single components).
    """

    name = "mnn"
    extra = "mnn"
    modules = ("_tools",)
    local = ("MNN",)
    package = "mnn"
    tolerance: ClassVar[Mapping[str, float]] = {"float32": 1e-3}
    free_batch = False

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return an MNN file, converted from ONNX in another process."""
        call = "import sys, _tools; _tools.mnnconvert(sys.argv[1:])"
        options = ["-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn"]
        command = [sys.executable, "-c", call, "mnnconvert", *options, "--bizCode", "nas"]
        onnx = source.onnx(_opset(source), batch=images)
        onnx = with_axes_as_attributes(onnx, _AXES_READ_AS_ATTRIBUTES)
        return converted(command, {"model.onnx": onnx}, {"model.mnn": "model.mnn"})


class Ncnn(GraphRuntime):
    """ncnn on the CPU, from ONNX by pnnx, with weights and arithmetic of float32; one image.

    Its functions are approximations (GELU, exponentials), hence the larger tolerance.
    """

    name = "ncnn"
    extra = "ncnn"
    modules = ("pnnx",)
    local = ("ncnn",)
    package = "ncnn"
    tolerance: ClassVar[Mapping[str, float]] = {"float32": 1e-2}
    free_batch = False
    batches = (1,)

    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return the two files of ncnn.

        Raises:
            ExportError: If the batch is not 1, pnnx fails, or ncnn has no layer for an operator.
        """
        if images != 1:
            raise ExportError(f"the batch of ncnn must be 1, but got {images}")
        shape = ",".join(map(str, (images, *source.shape)))
        program = importlib.import_module("pnnx").EXEC_PATH
        command = [program, "model.onnx", f"inputshape=[{shape}]", "fp16=0"]
        wanted = {"model.param": "model.ncnn.param", "model.bin": "model.ncnn.bin"}
        files = converted(command, {"model.onnx": source.onnx(OPSET, batch=images)}, wanted)
        layers = [line.split()[0] for line in files["model.param"].decode().splitlines()[2:]]
        if foreign := sorted({each for each in layers if "." in each}):  # pnnx's own names
            raise ExportError(f"ncnn must have every operator, but lacks {', '.join(foreign)}")
        return {**files, "model.param": _over_channels(files["model.param"])}


def _over_channels(param: bytes) -> bytes:
    """Return a network of ncnn whose reductions over channels alone state their axis.

    pnnx writes an empty list of axes for these (20261020), with which ncnn is wrong in silence.
    """
    lines = param.decode().split("\n")
    return "\n".join(
        line.replace(" -23303=0 ", " -23303=1,0 ") if line.startswith("Reduction") else line
        for line in lines
    ).encode()


def _opset(source: Source) -> int:
    return _TRANSFORM_OPSET if "DFT" in source.onnx_operators(OPSET) else OPSET
