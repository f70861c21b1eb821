"""OpenVINO's format in int8, quantised by NNCF."""

import importlib
import math
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...evaluators.runtimes.onnx_graph import onnx_graph
from ...evaluators.runtimes.program import quiet, traced
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from .base import ExportError, first_line
from .int8 import Array, Int8Plan, Int8Report, Run
from .int8_forms import Files, InBothForms, Quantiser, by_batch, calibration
from .runtime_files import OpenVinoFile

_XML, _BIN = "model.xml", "model.bin"
_LAYERS = ("Convolution", "GroupConvolution", "MatMul")
"""Operations with products; NNCF quantises sums and pooling between them too."""
_CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}


class NncfQuantiser(Quantiser):
    """NNCF, for OpenVINO with a fixed batch: with a free one, OpenVINO loses SiLU (2026.4)."""

    def __init__(self, network: Network, images: Array, batch: int) -> None:
        """Convert a network.

        Args:
            network: The network.
            images: Calibration images, normalised.
            batch: Images in one pass.

        Raises:
            ExportError: If it cannot be converted.
        """
        os.environ.setdefault("NNCF_CI", "1")  # without it, NNCF sends statistics of its use
        self.batch = batch
        self._images = images
        self._ov: Any = importlib.import_module("openvino")
        shape = network.architecture.input
        model = onnx_graph(traced(network.folded(), shape), places=True)
        try:
            with quiet():
                self._model: Any = self._ov.Core().read_model(model.SerializeToString(), b"")
                self._model.reshape([batch, *shape])
        except Exception as error:  # OpenVINO's errors have no base
            raise ExportError(
                f"OpenVINO must convert the network, but: {first_line(error)}"
            ) from error
        self.name = f"nncf {version('nncf')}"
        operations = self._model.get_ordered_ops()
        placed = [each for each in operations if "/" in each.get_friendly_name()]
        self._places = {_place(each) for each in placed}
        self.modules = tuple(
            dict.fromkeys(_place(each) for each in placed if each.get_type_name() in _LAYERS)
        )
        self.whole = self._saved(self._model)

    def alone(self, modules: Collection[str]) -> Files:
        """Return the files with these modules alone in int8."""
        return self.quantised(self._places.difference(modules))

    def quantised(self, keep: Collection[str]) -> Files:
        """Return the graph in int8, and its weights.

        Raises:
            ExportError: If NNCF fails.
        """
        patterns = [f"^{re.escape(each)}/.*" for each in sorted(keep)]
        rest = len(self._images) // self.batch * self.batch
        batches = np.split(self._images[:rest], rest // self.batch)
        try:
            with quiet():
                nncf: Any = importlib.import_module("nncf")
                nncf.set_log_level(50)
                model = nncf.quantize(
                    self._model,
                    nncf.Dataset(batches),
                    subset_size=len(batches),
                    ignored_scope=nncf.IgnoredScope(patterns=patterns, validate=False),
                )
        except Exception as error:  # NNCF may raise anything
            raise ExportError(
                f"the network must be quantised by {self.name}, but: {first_line(error)}"
            ) from error
        return self._saved(model)

    def opened(self, files: Files) -> Run:
        """Open files in OpenVINO."""
        model = self._ov.Core().read_model(files[_XML], files[_BIN])
        request: Any = self._ov.compile_model(model, "CPU", _CONFIG).create_infer_request()

        return by_batch(lambda images: request.infer([images])[0].copy(), self.batch)

    def _saved(self, model: Any) -> Files:
        with tempfile.TemporaryDirectory(prefix="nas-int8-") as name:
            folder = Path(name)
            self._ov.save_model(model, str(folder / _XML), compress_to_fp16=False)
            return {each: (folder / each).read_bytes() for each in (_XML, _BIN)}


def _place(operation: Any) -> str:
    """Return the module that an operation with its place in its name belongs to."""
    return operation.get_friendly_name().partition("/")[0]


class Int8OpenVino(OpenVinoFile):
    """OpenVINO's graph in int8, and its weights, for one batch.

    Its scores are not those of the network, so no tolerance applies: ``report`` requires those of
    the quantised network, and states how far they are from the network's.
    """

    name = "OpenVINO, int8"
    tolerance = math.inf
    packages = ("nncf",)

    def __init__(self, plan: Int8Plan, batch: int | None = None) -> None:
        """Set the images for calibration and comparison, and the batch; None: 1."""
        super().__init__(batch=batch)
        self.plan = plan

    def why_not_exportable(self, architecture: Architecture) -> str | None:
        """Return why the network cannot be quantised: NNCF is missing, or a component."""
        if find_spec("nncf") is None:
            return (
                "nncf must be installed for a .xml file in int8, but is not; "
                "pip install 'nas-explorer[nncf]' installs it"
            )
        return super().why_not_exportable(architecture)

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Convert the network, find which parts lose most, and return the files' contents."""
        assert self.batch is not None, "set by the constructor"
        images = calibration(self.plan)
        quantiser = NncfQuantiser(network, images, self.batch)
        self._forms = InBothForms(network, self.plan, quantiser, images)
        files = self._forms.files
        stated = {**header, "batch": str(self.batch)}
        return {"": self.marked(files[_XML], stated), ".bin": files[_BIN]}

    def report(self, path: Path) -> Int8Report:
        """Return what the written files cost the network that was encoded last.

        Raises:
            ExportError: If the files differ from the quantised network, or that is broken.
        """
        weights = path.with_suffix(".bin")
        return self._forms.report({_XML: path.read_bytes(), _BIN: weights.read_bytes()})
