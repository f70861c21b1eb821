"""The runtimes of torch itself, which run in the measuring process."""

from typing import ClassVar

import torch

from ..base import Evaluator, Setup
from ..latency.evaluator import LatencyEvaluator
from ..latency.settings import LatencySettings
from .base import Runtime


class Eager(Runtime):
    """Torch's modules as they are."""

    name = "eager"
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")

    def evaluator(self, setup: Setup) -> Evaluator:
        """Return the evaluator for the device of the study."""
        settings = LatencySettings.from_json({**setup.settings, "runtime": self.name})
        return LatencyEvaluator(device=torch.device(setup.device), settings=settings)


class Compiled(Eager):
    """``torch.compile`` with its default mode and static shapes."""

    name = "compiled"
