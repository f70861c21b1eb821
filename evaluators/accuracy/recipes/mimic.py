"""Mimicry of a teacher's features through a projector that is trained along.

Legend: B images of a batch, C channels, H rows, W columns, N tokens of a map, D channels of the
teacher, M tokens of the teacher.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....search_space.architecture.network import Network
from .base import Training, network_of
from .distill import Distill

_NAME = "mimic_projector"
"""Name of the projector among the modules of the network, during the training alone."""
_SPREAD = 0.02
"""Deviation of the initial queries and positions."""


class Projector(nn.Module):
    """Maps the tokens of one network to those of another one, of any number and width.

    Each token of the teacher has a query of its own, which attends to the tokens of the network;
    these have positions, since the attention has none.
    """

    no_weight_decay = frozenset({"queries_MD", "positions_NC"})

    def __init__(self, shape: tuple[int, int], teacher_shape: tuple[int, int]) -> None:
        """Set the numbers of tokens and channels of both last maps."""
        super().__init__()
        (tokens, channels), (queries, width) = shape, teacher_shape
        self.queries_MD = nn.Parameter(_SPREAD * torch.randn(queries, width))
        self.positions_NC = nn.Parameter(_SPREAD * torch.randn(tokens, channels))
        self.key = nn.Linear(channels, width)
        self.value = nn.Linear(channels, width)
        self.out = nn.Linear(width, width)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """Return the tokens of the teacher's size, (B, M, D)."""
        tokens_BNC = tokens_of(maps_BCHW)
        queries_BMD = self.queries_MD.expand(len(tokens_BNC), -1, -1)
        keys_BND = self.key(tokens_BNC + self.positions_NC)
        found_BMD = F.scaled_dot_product_attention(queries_BMD, keys_BND, self.value(tokens_BNC))
        return self.out(found_BMD)


def tokens_of(maps_BCHW: Tensor) -> Tensor:
    """Return the pixels of maps as tokens, (B, N, C)."""
    return maps_BCHW.flatten(2).transpose(1, 2)


def feature_losses(found_BMD: Tensor, teacher_BMD: Tensor) -> Tensor:
    """Return the loss of each image, (B,): mean squared errors in both views, summed.

    The first view is the teacher's tokens, scaled to mean 0 and deviation 1 over the channels. The
    second one leaves out the mean over the tokens, the direct component of a cosine transform, so
    that what varies in the map counts too; the transform itself keeps squared errors as they are.
    """
    target_BMD = F.layer_norm(teacher_BMD, teacher_BMD.shape[-1:])
    errors_BMD = found_BMD - target_BMD
    varying_BMD = errors_BMD - errors_BMD.mean(1, keepdim=True)
    return errors_BMD.square().mean((1, 2)) + varying_BMD.square().mean((1, 2))


@contextmanager
def last_maps(network: Network) -> Generator[Callable[[], Tensor]]:
    """Keep the last map of each run of a network; yields a function that returns the latest."""
    kept: list[Tensor] = []
    hook = network.head_module.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    try:
        yield lambda: kept[-1].float()
    finally:
        hook.remove()


class Mimic(Distill):
    """Learns the targets, and the last map of a teacher through a projector.

    Fan et al., ScaleKD: Strong Vision Transformers Could Be Excellent Teachers, 2024 (T22): a
    cross-attention projector brings the features of any network to the form of the teacher's, and
    both are compared in two views. There the teacher's classifier reads the projected features too,
    and a part of its weights is shared; neither is done here, so the teacher may know other classes
    than those of the data, and the targets may be numbers or labels. The projector is no part of
    the trained network.
    """

    name = "mimic"

    def begin(self, training: Training) -> None:
        """Build the teacher and the projector, which the optimiser trains with the network."""
        super().begin(training)
        model = network_of(training, self.name)
        shapes = [
            (last.height * last.width, last.channels)
            for each in (model, self.teacher)
            for last in each.architecture.parts()[-1].in_shapes[:1]
        ]
        self._network = model
        model.add_module(_NAME, Projector(*shapes).to(training.device))

    def losses(self, training: Training, images: Tensor, targets: Tensor) -> Tensor:
        """Return the losses of the targets and of the features."""
        model = network_of(training, self.name)
        with last_maps(model) as last:
            logits = training.logits(model, images)
        with last_maps(self.teacher) as taught:
            self.taught(training, images)
        projector = model.get_submodule(_NAME)
        apart_B = feature_losses(projector(last()), tokens_of(taught()))
        return training.loss(logits, targets, "none") + apart_B

    def finish(self, training: Training) -> bool:
        """Take the projector away."""
        self.end()
        return False

    def end(self) -> None:
        """Take the projector away."""
        if hasattr(self._network, _NAME):
            delattr(self._network, _NAME)
