"""A trained network on the images of a study: the importance of its weights, and its scores."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ..accuracy.data.dataset import SearchData
from ..accuracy.recipe import Recipe
from ..accuracy.source import Source
from ..accuracy.training.losses import target_loss
from ..accuracy.training.scoring import Normalise, images_at_once
from .correspond import tensors_of
from .transport import Floats

_BATCHES = 16
"""Batches of training images whose gradients give the importance."""
_BATCHES_OF_MOMENTS = 8
_BATCH = 64


class TrainedNetworks:
    """The images and the loss by which trained networks are judged."""

    def __init__(self, data: SearchData, recipe: Recipe, *, seed: int = 0) -> None:
        """Choose the training images.

        Args:
            data: The images, on the CPU.
            recipe: The recipe of the trainings.
            seed: Seed of the choice of training images.
        """
        self._data = data
        self._loss = target_loss(data, recipe)
        self._normalise = Normalise(data, torch.device("cpu"))
        self._at_once = images_at_once(data, recipe.batch_size)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(data.train_labels), generator=generator)
        self._batches: Sequence[Tensor] = order[: _BATCHES * _BATCH].split(_BATCH)

    def relevance(self, network: Network) -> dict[str, Tensor]:
        """Return the importance of each weight, by tensor.

        It is the square of weight times gradient, an estimate of how much the loss changes without
        the weight (Molchanov et al., Importance Estimation for Neural Network Pruning, 2019,
        equation 8), summed over batches of training images.
        """
        own = dict(network.named_parameters())
        names = [name for name in tensors_of(network) if name in own]
        weights = [own[name] for name in names]
        total = [torch.zeros(each.shape) for each in weights]
        network.eval()
        for places in self._batches:
            loss = self._loss(self._outputs(network, places), self._loss.targets[places])
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            given: Sequence[Tensor | None] = list(gradients)  # torch states no None
            for sum_, weight, gradient in zip(total, weights, given, strict=True):
                if gradient is not None:
                    sum_ += (weight * gradient).detach().abs() ** 2
        return dict(zip(names, total, strict=True))

    @torch.no_grad()
    def moments(self, network: Network, modules: Collection[str]) -> dict[str, Floats]:
        """Return the second moments of the inputs of linear maps, between channels, by module."""
        found: dict[str, Tensor] = {}
        hooks = [
            module.register_forward_pre_hook(partial(_add_moments, found, name))
            for name in modules
            if isinstance(module := network.get_submodule(name), nn.Linear | nn.Conv1d | nn.Conv2d)
        ]
        network.eval()
        try:
            for places in self._batches[:_BATCHES_OF_MOMENTS]:
                network(self._normalise(self._data.train_images[places]))
        finally:
            for each in hooks:
                each.remove()
        return {name: each.numpy() for name, each in found.items()}

    def _outputs(self, network: nn.Module, places: Tensor) -> Tensor:
        """Return the outputs as the loss takes them."""
        outputs = network(self._normalise(self._data.train_images[places])).float()
        scale = self._loss.scale
        if scale is None:
            return outputs
        mean_K, std_K = scale.mean_K.float(), scale.std_K.float()
        return (outputs - mean_K) / std_K

    def score(self, network: nn.Module) -> tuple[float, float]:
        """Return the mean loss and the main score on the validation split."""
        return self._loss.validate(network, self._of_images(network), self._at_once)

    def _of_images(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        scale = self._loss.scale

        def outputs(images: Tensor) -> Tensor:
            found = network(self._normalise(images)).float()
            return found if scale is None else scale.standardised(found)

        return outputs

    @torch.no_grad()
    def renormalise(self, network: Network) -> None:
        """Compute the statistics of batch norms anew, on the training images.

        Statistics of other channels differ from means of the former ones.
        """
        norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
        batches = [each for each in self._batches if len(each) > 1]  # one value has no variance
        if not norms or not batches:
            return
        before = [each.momentum for each in norms]
        for each in norms:
            each.reset_running_stats()
            each.momentum = None  # the mean over batches
            each.train()
        for places in batches:
            network(self._normalise(self._data.train_images[places]))
        for each, momentum in zip(norms, before, strict=True):
            each.momentum = momentum
        network.eval()


def _add_moments(
    found: dict[str, Tensor], name: str, module: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    """Add the products of the channels of a module's input."""
    values = inputs[0] if isinstance(module, nn.Linear) else inputs[0].movedim(1, -1)
    rows = values.flatten(0, -2).double()
    found[name] = found.get(name, 0) + rows.T @ rows


def network_of(source: Source) -> Network:
    """Return the trained network, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        network = Network(source.architecture)
    network.load_state_dict(dict(source.weights))
    return network.eval()
