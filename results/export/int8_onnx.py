"""The format ONNX in int8, for ONNX Runtime."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...evaluators.int8.calibration import training_images
from ...evaluators.int8.quantiser import Quantiser, quantiser_name
from ...evaluators.int8.session import opened
from ...evaluators.runtimes.onnx_graph import onnx_graph, with_batch
from ...search_space.architecture.network import Network
from .int8 import (
    Int8Plan,
    Int8Report,
    compared,
    part_images,
    part_losses,
    time_ratios,
    worst_parts,
)
from .onnx_file import OnnxFile
from .program import exported_program

if TYPE_CHECKING:
    from onnx import ModelProto


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

        self._written = InBothForms(network, self.plan)
        data = self._written.data
        model = onnx.load_from_string(data if self.batch is None else with_batch(data, self.batch))
        set_model_props(model, dict(header))
        return {"": model.SerializeToString()}

    def report(self) -> Int8Report:
        """Return what int8 costs the network that was written last.

        Raises:
            ExportError: If the network in int8 is broken.
        """
        return self._written.report()


class InBothForms:
    """One network in float32 and in int8."""

    def __init__(self, network: Network, plan: Int8Plan) -> None:
        """Trace the network and open the float32 form."""
        self.plan = plan
        model: ModelProto = onnx_graph(exported_program(network.folded()), places=True)
        self.float = model.SerializeToString()
        self.images = training_images(plan.data, seed=plan.seed)
        self.quantiser = Quantiser(model, self.images)
        names = [part.name for part in network.architecture.parts()]
        self.modules: dict[str, list[str]] = {}
        for module in self.quantiser.modules:
            self.modules.setdefault(_part_of(module, names), []).append(module)
        self.run: Any = opened(self.float)

    def _quantised(self, kept: tuple[str, ...]) -> bytes:
        return self.quantiser.quantised(keep={e for part in kept for e in self.modules[part]})

    def _alone(self, part: str) -> Any:
        return opened(self._quantised(tuple(each for each in self.modules if each != part)))

    @cached_property
    def losses(self) -> dict[str, float]:
        """Signal-to-noise ratio of the scores with one part alone in int8, dB."""
        return part_losses(list(self.modules), self.plan, self.run, self._alone)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The parts that stay float."""
        return worst_parts(self.losses, self.plan.keep_worst) if self.plan.keep_worst else ()

    @cached_property
    def data(self) -> bytes:
        """The file in int8."""
        return self._quantised(self.kept)

    def report(self) -> Int8Report:
        """Compare both forms on the validation split.

        Raises:
            ExportError: If the form in int8 is broken.
        """
        quantised = opened(self.data)
        found = compared(self.plan, self.run, quantised)
        ratio, low, high = time_ratios(self.run, quantised, self.images[:1])
        return Int8Report(
            quantiser=quantiser_name(),
            calibration_images=len(self.images),
            calibration_seed=self.plan.seed,
            metric=self.plan.metric,
            before=found.before,
            after=found.after,
            images=len(self.plan.data.validation_labels),
            agreement=found.agreement,
            sqnr=found.sqnr,
            parts=self.losses,
            part_images=part_images(self.plan),
            kept=self.kept,
            size_ratio=len(self.data) / len(self.float),
            time_ratio=ratio,
            time_ratios=(low, high),
        )


def _part_of(module: str, parts: list[str]) -> str:
    """Return the part that a module belongs to; the module's own name if there is none."""
    inside = [each for each in parts if module == each or module.startswith(f"{each}.")]
    return max(inside, key=len, default=module)
