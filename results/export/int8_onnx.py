"""The format ONNX in int8, for ONNX Runtime."""

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ...evaluators.int8 import quantiser as onnx_quantiser
from ...evaluators.int8.session import opened
from ...evaluators.runtimes.onnx_graph import onnx_graph, with_batch
from ...search_space.architecture.network import Network
from .int8 import Array, Int8Plan, Int8Report, Run
from .int8_forms import Files, InBothForms, Quantiser, calibration
from .onnx_file import OnnxFile
from .program import exported_program

if TYPE_CHECKING:
    from onnx import ModelProto

_FILE = "model.onnx"


class OnnxQuantiser(Quantiser):
    """ONNX Runtime's quantiser."""

    def __init__(self, network: Network, images: Array) -> None:
        """Trace a network.

        Raises:
            ExportError: If it cannot be traced.
        """
        model: ModelProto = onnx_graph(exported_program(network.folded()), places=True)
        self._quantiser = onnx_quantiser.Quantiser(model, images)
        self.name = onnx_quantiser.quantiser_name()
        self.modules = self._quantiser.modules
        self.whole = {_FILE: model.SerializeToString()}

    def quantised(self, keep: Collection[str]) -> Files:
        """Return the file in int8."""
        return {_FILE: self._quantiser.quantised(keep=keep)}

    def opened(self, files: Files) -> Run:
        """Open a file in ONNX Runtime."""
        return opened(files[_FILE])


class Int8Onnx(OnnxFile):
    """An ONNX file with quantised weights and maps, in float where int8 is slower.

    Its scores are not those of the network; ``report`` states how far they are apart.
    """

    name = "onnx, int8"
    tolerance = math.inf

    def __init__(self, plan: Int8Plan, batch: int | None = None) -> None:
        """Set the images for calibration and comparison, and the batch; None: any number."""
        super().__init__(batch=batch)
        self.plan = plan

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Trace the network, find which parts lose most, and return the file's contents."""
        import onnx
        from onnx.helper import set_model_props

        images = calibration(self.plan)
        self._forms = InBothForms(network, self.plan, OnnxQuantiser(network, images), images)
        data = self._forms.files[_FILE]
        model = onnx.load_from_string(data if self.batch is None else with_batch(data, self.batch))
        set_model_props(model, dict(header))
        return {"": model.SerializeToString()}

    def report(self) -> Int8Report:
        """Return what int8 costs the network that was written last.

        Raises:
            ExportError: If the network in int8 is broken.
        """
        return self._forms.report()
