"""The base class of recipe options: the places of a training that an option can change.

Legend: B images of a batch, N training images, K classes.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ....search_space.architecture.network import Network
from ...base import CandidateError
from ..data.dataset import SearchData
from ..option_table import Acts, OptionValue
from ..recipe import Recipe
from ..source import Source


class _Optimizer(Protocol):
    parameters: Sequence[Tensor]


class Training(Protocol):
    """The training that an option changes, as far as options need it."""

    @property
    def model(self) -> nn.Module:
        """The network."""
        ...

    @property
    def data(self) -> SearchData:
        """The data, as the options have changed them, on the device."""
        ...

    @property
    def given(self) -> SearchData:
        """The data before the options changed them."""
        ...

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        ...

    @property
    def device(self) -> torch.device:
        """The device."""
        ...

    @property
    def step(self) -> int:
        """Number of the step under way, from 0."""
        ...

    @property
    def generator(self) -> torch.Generator:
        """Random numbers of the order of images; a checkpoint holds their state."""
        ...

    @property
    def optimizer(self) -> _Optimizer:
        """The optimiser."""
        ...

    @property
    def teacher(self) -> Source | None:
        """The network that teaches, where an option takes one."""
        ...

    def normalise(self, images: Tensor) -> Tensor:
        """Return images, (B, C, R, R), as the network takes them: normalised float32."""
        ...

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """Return a model's outputs for images, (B, K), float32."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor, reduction: str, /) -> Tensor:
        """Return the loss of each image, (B,), for the reduction ``none``."""
        ...

    def changes(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images changed and mixed as in the recipe, and their labels or shares."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The images of a step."""

    places: Tensor
    """(B,), int64: places among the training images."""
    images: Tensor
    """(B, C, R, R), augmented."""
    labels: Tensor
    """(B,), int64."""
    weights: Tensor | None = None
    """(B,), factor of each image's loss, 1 in the mean; None: all 1."""


class RecipeOption:
    """One option of a recipe; it overrides the methods at whose places it changes a training.

    Random numbers are torch's global ones or those of the training's generator, so that equal seeds
    give equal trainings and a checkpoint holds their state. What else the next epochs depend on is
    in ``state``.
    """

    name: ClassVar[str]
    """Name on the command line and in recipes."""
    acts: ClassVar[Acts]
    """What the option changes."""
    value: ClassVar[OptionValue]
    """The value that the option takes."""
    summary: ClassVar[str]
    """What the option does, one line."""
    paper: ClassVar[str]
    """Source of the idea."""
    trains: ClassVar[bool] = True
    """Whether there is a training at all."""
    classes: ClassVar[bool] = False
    """Whether the targets must be classes."""
    without: ClassVar[tuple[str, ...]] = ()
    """Fields of the recipe that must have their default."""
    any_teacher: ClassVar[bool] = False
    """Whether the teacher may know other classes than those of the data."""

    def __init__(self, amount: Any) -> None:
        """Set the value, which has been checked."""
        self.amount = amount

    def changed_data(self, data: SearchData) -> SearchData:
        """Return the data to train on and to validate with."""
        return data

    def begin(self, training: Training) -> None:
        """Change the network before the optimiser is made; also before a training goes on."""

    def end(self) -> None:
        """Take back what outlives the training, such as hooks of the network."""

    def state(self) -> Mapping[str, Tensor]:
        """Return the tensors that the next epochs depend on; writing to them restores a state."""
        return {}

    def images(self, count: int) -> int:
        """Return the number of images of an epoch, of ``count`` training images."""
        return count

    def order(self, training: Training, order_N: Tensor) -> Tensor:
        """Return the places of the images of an epoch, in their order."""
        return order_N

    def batch(self, training: Training, batch: Batch) -> Batch:
        """Return the images of a step, before they are mixed."""
        return batch

    def losses(self, training: Training, images: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image, (B,); called where ``acts`` is ``loss``."""
        return training.loss(training.logits(training.model, images), targets, "none")

    def seen(self, training: Training, batch: Batch, losses_B: Tensor) -> None:
        """Take note of the loss of each image of a step."""

    def after_backward(self, training: Training, again: Callable[[], Tensor]) -> None:
        """Change the gradients, before they are clipped.

        Args:
            training: The training.
            again: Computes the loss of the same images at the present weights, and adds its
                gradients.
        """

    def change_gradients(self, training: Training) -> None:
        """Change the clipped gradients."""

    def finish(self, training: Training) -> bool:
        """Change the kept weights after the training; return whether they are scored again."""
        return False


def network_of(training: Training, option: str) -> Network:
    """Return the network of a training.

    Raises:
        CandidateError: If the model is another module, whose features are not known.
    """
    if not isinstance(training.model, Network):
        raise CandidateError("error", f"{option} needs a network with features and a classifier")
    return training.model


@contextmanager
def kept_buffers(model: nn.Module) -> Generator[None]:
    """Keep the buffers of a model, such as the statistics of batch norms, as they are before."""
    before = [each.clone() for each in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for each, kept in zip(model.buffers(), before, strict=True):
                each.copy_(kept)
