"""The base class of diagnostics: the trained network, the images, the provenance.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.initial import torch_start
from ...search_space.errors import InputError
from ...search_space.seeds import derive_seed
from ..accuracy.data.dataset import SearchData
from ..accuracy.training.losses import output_scale
from ..accuracy.training.scoring import Normalise
from ..base import Measurement
from ..measurement_context import candidate_faults, seeded
from ..metrics import Metric
from ..targets import Target
from ..training_free.base import NotDefinedError, full_products


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained network, and the images that it was trained and scored on.

    Raises:
        InputError: If the data have other images or classes than the network.
    """

    network: Network
    """The network with its kept weights, float32, on the CPU."""
    data: SearchData
    """Training and validation split of the training."""
    start_seed: int | None = None
    """Seed of the initial weights; None: the training began with other weights, or it is not known
    how."""
    origin: str = ""
    """Text for the weights, such as ``search``, or the name of a file."""
    seed: int = 0
    """Seed of the choice of images."""

    def __post_init__(self) -> None:
        data, own = self.data, self.architecture
        wanted = (data.channels, data.resolution, data.resolution)
        if tuple(own.input) != wanted or own.classes != len(data.classes):
            raise InputError(
                "the network's channels, height, width and classes must be the data's, "
                f"{(*wanted, len(data.classes))}, but got {(*own.input, own.classes)}"
            )

    @property
    def architecture(self) -> Architecture:
        """The network's architecture."""
        found = self.network.architecture
        assert isinstance(found, Architecture)
        return found

    def untrained(self) -> Network | None:
        """Return the network with the weights that the training began with, if they are known."""
        if self.start_seed is None:
            return None
        with seeded(self.start_seed, torch.device("cpu")), torch_start():
            return Network(self.architecture)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Images that a diagnostic reads."""

    images_BCHW: Tensor
    """Normalised images, in the precision of the diagnostic."""
    labels: Tensor
    """Their classes, (B,), or labels or standardised numbers, (B, K)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The value of a diagnostic, with its parts."""

    value: float
    """The value."""
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    """Values of layers or blocks by name, in the order of the network."""


class Diagnostic(ABC):
    """A number computed from one trained network, as it classifies images (in eval mode).

    It reads images of the search's training and validation split, never of the test split. It says
    how a network works, and never decides which candidate is better.
    """

    name: ClassVar[str]
    """Name in the table and in records."""
    metrics: ClassVar[tuple[Metric, ...]]
    """The metric, with ``score=True``."""
    version: ClassVar[int] = 1
    """Version of the definition; it is raised with every change of values."""
    versions: ClassVar[Mapping[Target, int]] = {}
    """The version for kinds of target for which alone values changed, in place of ``version``."""
    dtype: ClassVar[torch.dtype] = torch.float32
    """Precision of the network: float32 or float64."""
    defaults: ClassVar[Mapping[str, Any]] = {"batch": 256}
    """Its settings, JSON values: ``batch`` is the largest number of images of a split."""

    @classmethod
    def version_for(cls, target: Target) -> int:
        """Return the version of the definition for a kind of target."""
        return cls.versions.get(target, cls.version)

    @abstractmethod
    def find(self, trained: Trained) -> Found:
        """Return the value.

        Raises:
            NotDefinedError: If the diagnostic does not exist for this network.
        """

    def measure(self, trained: Trained) -> Measurement:
        """Return the value as a measurement with its batch, seed and version.

        Raises:
            CandidateError: ``not_defined`` with the reason, or a failure of the network.
        """
        with candidate_faults(), full_products():
            found = self.find(trained)
        value = float(found.value)
        if value != value or value in (float("inf"), float("-inf")):
            raise NotDefinedError(f"{self.name} is {value} for this network")
        provenance = {
            **self.defaults,
            "version": self.version_for(trained.data.target),
            "seed": trained.seed,
            "weights": trained.origin,
            "images": trained.data.spec.name.partition(":")[0],
            "fingerprint": trained.data.fingerprint,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": "cpu",
            "torch": torch.__version__,
            **({"parts": dict(found.parts)} if found.parts else {}),
        }
        (only,) = self.metrics
        return Measurement(metric=only.name, value=value, provenance=provenance)

    def network(self, trained: Trained) -> Network:
        """Return a copy of the trained network in eval mode, in the precision of the diagnostic."""
        return deepcopy(trained.network).to(self.dtype).eval()

    def validation(self, trained: Trained) -> Sample:
        """Return validation images, the same ones for all networks."""
        data = trained.data
        return self._sample(trained, data.validation_images, data.validation_labels)

    def training(self, trained: Trained) -> Sample:
        """Return training images, the same ones for all networks."""
        return self._sample(trained, trained.data.train_images, trained.data.train_labels)

    def _sample(self, trained: Trained, images: Any, labels: Tensor) -> Sample:
        seed = derive_seed(trained.seed, "images of diagnostics")
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        chosen = order[: int(self.defaults["batch"])]
        pixels = images[chosen].cpu()
        normalised = Normalise(trained.data, torch.device("cpu"))(pixels)
        scale = output_scale(trained.data)
        found = labels[chosen].cpu()
        return Sample(
            images_BCHW=normalised.contiguous().to(self.dtype),
            labels=found if scale is None else scale.standardised(found),
        )
