"""How much the features of an untrained network change with the image."""

import torch

from ...search_space.architecture.architecture import Architecture
from ...search_space.seeds import derive_seed
from ..measurement_context import seeded
from ..scores import SCORES
from .base import NotDefinedError, Score
from .norms import log_divisors

_STEP = 0.01
"""Deviation of the noise that is added to the image."""


class Zen(Score):
    """The logarithm of the change of the last feature map, plus those of the norms' divisors.

    Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Deep Image Recognition, 2021,
    algorithm 1: weights and images are standard normal, and no images are read. The paper adds the
    logarithm of the deviation that each batch norm removes. Here every norm counts in this way,
    whatever it averages over, and residual sums stay. The theory holds for chains of convolutions,
    batch norms and ReLU alone; elsewhere the score is what this procedure returns. A network with
    more norms has a larger score.
    """

    name = "zen"
    metrics = (SCORES["zen"].metric,)
    dtype = torch.float64
    defaults = {"batch": 16}  # noqa: RUF012

    @torch.no_grad()
    def score(self, architecture: Architecture) -> float:
        """Return the logarithm.

        Raises:
            NotDefinedError: If the features do not change, or exceed float64.
        """
        network = self.network(architecture)
        seed = derive_seed(self.seed, architecture.digest, "zen")
        with seeded(seed, torch.device("cpu")):
            for each in network.parameters():
                if each.ndim > 1:
                    each.copy_(torch.randn(each.shape, dtype=self.dtype))
            shape = (int(self.settings["batch"]), *architecture.input)
            images, noise = (torch.randn(shape, dtype=self.dtype) for _ in range(2))
        images, noise = images.to(self.device), noise.to(self.device)
        with log_divisors(network) as logs:
            plain = network.forward_features(images)
        changed = network.forward_features(images + _STEP * noise)
        change = (changed - plain).abs().sum((1, 2, 3)).mean()
        if not 0 < float(change) < float("inf"):
            raise NotDefinedError(f"the change of the features is {float(change):g} in float64")
        return float(change.log()) + sum(float(each) for each in logs if bool(each.isfinite()))
