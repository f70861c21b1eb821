"""The base class of training-free scores: the network, its images, the provenance.

Shape suffixes: B batch, C channels, H rows, W columns.
"""

from abc import abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.initial import torch_start
from ...search_space.errors import InputError
from ...search_space.seeds import derive_seed
from ..accuracy.data.dataset import SearchData
from ..accuracy.evaluator import setup_data
from ..accuracy.training.losses import output_scale
from ..accuracy.training.scoring import Normalise
from ..base import CandidateError, Evaluator, Measurement, Setup
from ..measurement_context import candidate_faults, seeded
from ..targets import Target


class NotDefinedError(CandidateError):
    """A score that does not exist for a network, with the reason; it is recorded as one."""

    def __init__(self, detail: str) -> None:
        super().__init__("not_defined", detail)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The images that a score reads."""

    images_BCHW: Tensor
    """Normalised images, in the precision of the score."""
    labels_B: Tensor
    """Their classes, (B,); random ones for noise. Standardised numbers, or labels, (B, K)."""
    target: Target = "classes"
    """Kind of target."""

    def loss(self, outputs_BK: Tensor) -> Tensor:
        """Return the mean training loss of a network's outputs, without smoothing or weights."""
        if self.target == "regression":
            return F.mse_loss(outputs_BK, self.labels_B.to(outputs_BK.dtype))
        if self.target == "labels":
            labels_BK = self.labels_B.to(outputs_BK.dtype)
            return F.binary_cross_entropy_with_logits(outputs_BK, labels_BK)
        return F.cross_entropy(outputs_BK, self.labels_B)

    def targets(self, outputs: int) -> Tensor:
        """Return the targets as numbers, (B, K), float64: 1 for the class of an image."""
        if self.target == "classes":
            return F.one_hot(self.labels_B, outputs).double()
        return self.labels_B.double()


@contextmanager
def full_products() -> Generator[None]:
    """Keep products on a GPU in the precision of their operands, without TF32."""
    flags = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = flags


class Score(Evaluator):
    """A score of one untrained network, which has the initial weights of the short training.

    The images are training images of the study, the same ones for all candidates, or Gaussian noise
    where there are no data. A score never trains, and never reads the validation or test split.
    """

    version: ClassVar[int] = 1
    """Version of the definition; it is raised with every change of values."""
    dtype: ClassVar[torch.dtype] = torch.float32
    """Precision of the network: float32 or float64."""
    needs_labels: ClassVar[bool] = False
    """Whether noise in place of images has no meaning."""
    defaults: ClassVar[Mapping[str, Any]] = {"batch": 64}

    def __init__(
        self,
        *,
        seed: int = 0,
        device: torch.device | None = None,
        data: SearchData | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Set what the score reads.

        Args:
            seed: The study's seed, from which those of weights and images are derived.
            device: Device of the network; None: the CPU.
            data: The study's data; None: noise.
            settings: Values of ``defaults``; None: these.
        """
        self.seed = seed
        self.device = device or torch.device("cpu")
        self.data = data
        self.settings = {**self.defaults, **(settings or {})}

    @classmethod
    def make(cls, setup: Setup) -> Self:
        """Return the score for the data, the seed and the device of the study."""
        return cls(
            seed=setup.seed,
            device=torch.device(setup.device),
            data=setup_data(setup) if setup.data else None,
            settings=setup.settings,
        )

    @abstractmethod
    def score(self, architecture: Architecture) -> float:
        """Return the value.

        Raises:
            NotDefinedError: If the score does not exist for this network.
        """

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the score as a measurement with its batch, seed and version.

        Raises:
            CandidateError: ``not_defined`` with the reason, or a failure of the network.
            InputError: If the data have other images or classes than the network.
        """
        self._check(architecture)
        if self.needs_labels and self.data is None:
            raise NotDefinedError(f"{self.name} needs labelled images, and there are none")
        with candidate_faults(), full_products():
            value = float(self.score(architecture))
        if value != value or value in (float("inf"), float("-inf")):
            raise NotDefinedError(f"{self.name} is {value} for this network in {self._dtype}")
        (only,) = self.metrics
        return (
            Measurement(metric=only.name, value=value, provenance=self._provenance(architecture)),
        )

    def network(self, architecture: Architecture) -> Network:
        """Return the untrained network in training mode, with the weights of the short training."""
        with seeded(self._weights_seed(architecture), self.device), torch_start():
            network = Network(architecture)
        return network.to(self.device, self.dtype).train()

    def batch(self, architecture: Architecture, place: int = 0) -> Batch:
        """Return images; those of other places are others, as far as there are enough.

        Args:
            architecture: The network, which states the shape of the noise.
            place: Number of the batch, from 0.
        """
        count = int(self.settings["batch"])
        self._check(architecture)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "images of scores"))
        if self.data is None:
            generator.manual_seed(derive_seed(self.seed, "noise of scores", place))
            images = torch.randn(count, *architecture.input, generator=generator)
            labels = torch.randint(architecture.classes, (count,), generator=generator)
            return self._on_device(images, labels)
        order = torch.randperm(len(self.data.train_labels), generator=generator)
        chosen = order[torch.arange(place * count, (place + 1) * count) % len(order)]
        images = self.data.train_images[chosen]
        normalised = Normalise(self.data, torch.device("cpu"))(images.cpu())
        labels, scale = self.data.train_labels, output_scale(self.data)
        if scale is not None:
            labels = scale.standardised(labels)
        return self._on_device(normalised, labels[chosen], self.data.target)

    def _on_device(
        self, images_BCHW: Tensor, labels_B: Tensor, target: Target = "classes"
    ) -> Batch:
        return Batch(
            images_BCHW=images_BCHW.contiguous().to(self.device, self.dtype),
            labels_B=labels_B.to(self.device),
            target=target,
        )

    def _check(self, architecture: Architecture) -> None:
        """Raise ``InputError`` if the data have other images or classes than the network."""
        data = self.data
        if data is None:
            return
        wanted = (data.channels, data.resolution, data.resolution, len(data.classes))
        given = (*architecture.input, architecture.classes)
        if given != wanted:
            raise InputError(
                "the architecture's channels, height, width and classes must be the data's, "
                f"{wanted}, but got {given}"
            )

    def _weights_seed(self, architecture: Architecture) -> int:
        return derive_seed(self.seed, architecture.digest)

    @property
    def _dtype(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    def _provenance(self, architecture: Architecture) -> dict[str, Any]:
        images = "noise" if self.data is None else self.data.spec.name
        return {
            **self.settings,
            "version": self.version,
            "seed": self._weights_seed(architecture),
            "images": images.partition(":")[0],
            "fingerprint": None if self.data is None else self.data.fingerprint,
            "start": "torch",
            "dtype": self._dtype,
            "device": str(self.device),
            "torch": torch.__version__,
        }
