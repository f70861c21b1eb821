"""The format ONNX in int8, for ONNX Runtime."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...evaluators.int8 import quantiser as onnx_quantiser
from ...evaluators.int8.session import opened
from ...evaluators.runtimes.onnx_graph import onnx_graph, with_batch
from ...search_space.architecture.network import Network
from .base import ExportError, first_line
from .int8 import Array, Int8Plan, Int8Report, Run
from .int8_forms import Files, InBothForms, Quantiser, by_batch, calibration
from .onnx_file import OnnxFile
from .program import exported_program

if TYPE_CHECKING:
    from onnx import ModelProto

_FILE = "model.onnx"


class OnnxQuantiser(Quantiser):
    """ONNX Runtime's quantiser."""

    def __init__(self, network: Network, images: Array, batch: int | None = None) -> None:
        """Trace a network.

        Args:
            network: The network.
            images: Calibration images, normalised.
            batch: Images in one pass; None: any number.

        Raises:
            ExportError: If it cannot be traced.
        """
        model: ModelProto = onnx_graph(exported_program(network.folded()), places=True)
        self._quantiser = onnx_quantiser.Quantiser(model, images)
        self.name = onnx_quantiser.quantiser_name()
        self.modules = self._quantiser.modules
        self._fixed = batch
        self.batch = batch or 1
        self.whole = {_FILE: at_batch(model.SerializeToString(), batch)}

    def quantised(self, keep: Collection[str]) -> Files:
        """Return the file in int8, for any number of images."""
        return {_FILE: self._quantiser.quantised(keep=keep)}

    def size(self, files: Files) -> int:
        """Return the bytes of the file at the batch, without the header."""
        return len(at_batch(files[_FILE], self._fixed))

    def opened(self, files: Files) -> Run:
        """Open a file in ONNX Runtime.

        Raises:
            ExportError: If it cannot be opened.
        """
        try:
            run = opened(files[_FILE])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise ExportError(
                f"the file in int8 must be valid, but: {first_line(error)}"
            ) from error
        return run if self._fixed is None else by_batch(run, self._fixed)


def at_batch(data: bytes, batch: int | None) -> bytes:
    """Return an ONNX file for one batch; None: for any number of images."""
    return data if batch is None else with_batch(data, batch)


class Int8Onnx(OnnxFile):
    """An ONNX file with quantised weights and maps, in float where int8 is slower.

    Its scores are not those of the network, so no tolerance applies: ``report`` requires those of
    the quantised network, and states how far they are from the network's.
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
        self._forms = InBothForms(
            network, self.plan, OnnxQuantiser(network, images, self.batch), images
        )
        model = onnx.load_from_string(at_batch(self._forms.files[_FILE], self.batch))
        set_model_props(model, dict(header))
        return {"": model.SerializeToString()}

    def report(self, path: Path) -> Int8Report:
        """Return what the written file costs the network that was encoded last.

        Raises:
            ExportError: If the file differs from the quantised network, or that is broken.
        """
        return self._forms.report({_FILE: path.read_bytes()})
