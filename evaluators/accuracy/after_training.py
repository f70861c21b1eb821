"""Metrics of a trained network in another form: the table, usable before one is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...search_space.architecture.network import Network
from ...search_space.plugins import resolved
from ..base import Measurement
from ..metrics import ACCURACY_INT8
from .data.dataset import SearchData


@dataclass(frozen=True, kw_only=True, eq=False)
class AfterTraining:
    """A network after its short training."""

    network: Network
    """The network, in eval mode."""
    data: SearchData
    """The data of the training, on any device."""
    seed: int
    """The study's seed."""
    provenance: Mapping[str, Any]
    """What all metrics of the training state."""


AFTER: Mapping[str, str] = {ACCURACY_INT8.name: "int8.accuracy:accuracy_in_int8"}
"""The function of each metric, from ``AfterTraining`` to its measurement, by name."""


def measured_after(name: str, trained: AfterTraining) -> Measurement:
    """Return a metric of a trained network in another form.

    Raises:
        CandidateError: If the network has no such form, or it is broken.
    """
    function: Any = resolved(AFTER[name], __name__.rpartition(".accuracy.")[0])
    return function(trained)
