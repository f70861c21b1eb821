"""Runtimes (base class)."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch

from ..base import Evaluator, Setup
from ..latency.provenance import describe


class Runtime(ABC):
    """What runs a network on a device."""

    name: ClassVar[str]
    """Name in the table and in records."""
    extra: ClassVar[str] = ""
    """Extra of this package that installs the runtime; empty: it is always installed."""
    modules: ClassVar[tuple[str, ...]] = ()
    """Modules that must be installed here to convert networks for the runtime."""
    local: ClassVar[tuple[str, ...]] = ()
    """Modules that must be installed besides to run networks on this device."""
    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    """Precisions of the arithmetic that can be asked for; the first is the default."""

    @abstractmethod
    def evaluator(self, setup: Setup) -> Evaluator:
        """Return the evaluator that measures ``latency`` in this runtime."""

    def surroundings(self, setup: Setup) -> dict[str, Any]:
        """Return the conditions of a latency that are known before one is measured."""
        return describe(torch.device(setup.device))
