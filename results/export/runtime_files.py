"""The own formats of runtimes: files that run on a device without torch and without a conversion.

The runtimes of the latency convert the network, and a process of each runs the file for the proof.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import ClassVar
from xml.etree import ElementTree

import torch
from torch import Tensor

from ...evaluators.runtimes.executorch_runtime import ExecuTorch
from ...evaluators.runtimes.graph_runtime import GraphRuntime
from ...evaluators.runtimes.known_wrong import wrong_in
from ...evaluators.runtimes.litert_runtime import LiteRt
from ...evaluators.runtimes.nas_ruler import encoded
from ...evaluators.runtimes.onnx_runtimes import Mnn, Ncnn, OpenVino
from ...evaluators.runtimes.ruler_process import REQUEST_SECONDS, Ruler, RulerError
from ...evaluators.runtimes.source import Source
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.errors import InputError
from .appended_header import MARK, appended_header, with_header
from .base import ExportError, ModelFormat, Opened, in_batches
from .formats import FORMATS
from .header import read_header
from .onnx_file import why_not_in_onnx

_BATCH = "batch"
"""Key of the header: images in one pass."""
_MODEL = "file"
_TIMED = {
    "rounds": 1,
    "warmup_seconds": 0,
    "warmup_passes": 1,
    "repeats": 1,
    "min_seconds": 0,
    "max_seconds": 0,
}
"""A request for the time of one pass: the median of the two or three that it takes."""


class RuntimeFile(ModelFormat):
    """A file of a runtime, for one image size and one batch (1 unless another is asked for).

    The file holds the folded form of the network.
    """

    runtime: ClassVar[type[GraphRuntime]]
    """The runtime, which converts the network."""
    files: ClassVar[Mapping[str, str]]
    """The end of each file's path by its name in the runtime; empty for the first file."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions besides the runtime's that take part, whose versions a card states."""
    from_onnx: ClassVar[bool] = True
    """Whether the runtime converts the network from ONNX."""
    folded = True
    fixes_batch = True

    def __init__(self, *, any_resolution: bool = False, batch: int | None = None) -> None:
        super().__init__(any_resolution=any_resolution, batch=1 if batch is None else batch)

    def why_not_exportable(self, architecture: Architecture) -> str | None:
        """Return why the runtime cannot have the network: images of any size, or a component."""
        if self.any_resolution:
            return (
                f"a {self.ending} file must have one image size, so that --any-resolution is "
                "possible for .onnx and .pt2 alone"
            )
        if self.from_onnx and (reason := why_not_in_onnx(architecture)):
            return reason
        name, at = self.runtime.name, version(self.runtime.package)
        if known := wrong_in(architecture, name, at):
            return (
                f"a {self.ending} file must reproduce the network, but {name} {at} is known to be "
                f"wrong with {known} (docs/runtimes.md)"
            )
        return None

    def environment(self) -> dict[str, str]:
        """Return the versions of the runtime and its converter."""
        return {name: version(name) for name in (self.runtime.package, *self.packages)}

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Convert the network and return the contents of the files."""
        assert self.batch is not None, "set by the constructor"
        source = Source(network.folded(), network.architecture.input)
        made = self.runtime().export(source, self.batch)
        contents = {end: made[name] for name, end in self.files.items()}
        return {**contents, "": self.marked(contents[""], {**header, _BATCH: str(self.batch)})}

    @classmethod
    def marked(cls, data: bytes, header: Mapping[str, str]) -> bytes:
        """Return the contents of the first file with a header."""
        return with_header(data, header)

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header, and the number of images in one pass."""
        return appended_header(path)

    def open(self, path: Path) -> Opened:
        """Load the files in the runtime, in a process of its own."""
        header = self.read_header(path)
        batch, size = int(header[_BATCH]), read_header(header).input
        place = FORMATS[self.ending].file
        files = {name: place(path, end).read_bytes() for name, end in self.files.items()}
        with _one_line(self.runtime.name):
            ruler = Ruler(
                self.runtime.name,
                threads=torch.get_num_threads(),
                adapter=self.runtime.adapter,
            )
            ruler.load(_MODEL, files, (batch, *size))

        def run(images: Tensor) -> Tensor:
            with _one_line(self.runtime.name):
                return torch.from_numpy(ruler.run(_MODEL, images.numpy()))

        def pass_ms(images: Tensor) -> float:
            asked = {"models": {_MODEL: encoded(images.numpy())}, **_TIMED}
            with _one_line(self.runtime.name):
                found = ruler.ask("time", asked, REQUEST_SECONDS)
            return median(wall for wall, _ in found["models"][_MODEL]["rounds"][0])

        return Opened(
            run=in_batches(run, batch),
            weights={},
            parameters=None,
            macs=None,
            batch=batch,
            pass_ms=pass_ms,
        )


class OpenVinoFile(RuntimeFile):
    """OpenVINO's graph, and its weights in float32 in a file that ends in ``.bin``."""

    name = "OpenVINO"
    ending = ".xml"
    paired = ".bin"
    runtime = OpenVino
    files: ClassVar[Mapping[str, str]] = {"model.xml": "", "model.bin": ".bin"}
    tolerance = OpenVino.tolerance["float32"]

    @classmethod
    def marked(cls, data: bytes, header: Mapping[str, str]) -> bytes:
        """Return the graph with the header among its facts of the conversion."""
        graph = ElementTree.fromstring(data)
        facts = graph.find("rt_info")
        place = ElementTree.SubElement(graph, "rt_info") if facts is None else facts
        ours = ElementTree.SubElement(place, MARK)
        for key, text in header.items():
            ElementTree.SubElement(ours, key, value=text)
        return ElementTree.tostring(graph, encoding="utf-8", xml_declaration=True)

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header, and the number of images in one pass."""
        ours = ElementTree.parse(path).find(f"rt_info/{MARK}")
        return {} if ours is None else {each.tag: each.attrib["value"] for each in ours}


class MnnFile(RuntimeFile):
    """One file of MNN, with the weights in float32."""

    name = "MNN"
    ending = ".mnn"
    runtime = Mnn
    files: ClassVar[Mapping[str, str]] = {"model.mnn": ""}
    tolerance = Mnn.tolerance["float32"]


class NcnnFile(RuntimeFile):
    """ncnn's layers as text, and their weights in float32 in a file that ends in ``.bin``."""

    name = "ncnn"
    ending = ".param"
    paired = ".bin"
    runtime = Ncnn
    files: ClassVar[Mapping[str, str]] = {"model.param": "", "model.bin": ".bin"}
    packages = ("pnnx",)
    tolerance = Ncnn.tolerance["float32"]

    def __init__(self, *, any_resolution: bool = False, batch: int | None = None) -> None:
        super().__init__(any_resolution=any_resolution, batch=batch)
        if self.batch != 1:
            raise InputError(
                f"a {self.ending} file takes one image in one pass, but got batch {batch}"
            )


class ExecuTorchFile(RuntimeFile):
    """A program of ExecuTorch, lowered to XNNPACK, with the weights."""

    name = "ExecuTorch"
    ending = ".pte"
    runtime = ExecuTorch
    files: ClassVar[Mapping[str, str]] = {"model.pte": ""}
    from_onnx = False
    tolerance = ExecuTorch.tolerance["float32"]


class LiteRtFile(RuntimeFile):
    """A file of LiteRT, with the weights."""

    name = "LiteRT"
    ending = ".tflite"
    runtime = LiteRt
    files: ClassVar[Mapping[str, str]] = {"model.tflite": ""}
    packages = ("litert-torch",)
    from_onnx = False
    tolerance = LiteRt.tolerance["float32"]


@contextmanager
def _one_line(runtime: str) -> Generator[None]:
    """Turn the error of a runtime's process into that of an export."""
    try:
        yield
    except RulerError as error:
        raise ExportError(f"{runtime} must run the file, but: {error}") from error
