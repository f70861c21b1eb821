"""Choice of the images of an epoch by their last loss."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .base import Batch, RecipeOption, Training


class HardImages(RecipeOption):
    """Trains each epoch on a share of the images, drawn by their last loss.

    Images not seen yet come first. The others are drawn without replacement, each with a
    probability proportional to its last loss in training, so that learned ones are mostly left out
    (Yang et al., 2023, T24). Loshchilov and Hutter (Online Batch Selection, 2015) draw by the rank
    of the loss. No image is passed through the network for the choice.
    """

    name = "hard_images"

    def begin(self, training: Training) -> None:
        """Forget all losses."""
        self._last = torch.full((len(training.data.train_labels),), torch.inf)
        self._last = self._last.to(training.device)

    def state(self) -> Mapping[str, Tensor]:
        """Return the last losses."""
        return {"last": self._last}

    def images(self, count: int) -> int:
        """Return the share of the images."""
        return max(2, round(self.amount * count))

    def order(self, training: Training, order_N: Tensor) -> Tensor:
        """Return the drawn images."""
        uniform = torch.rand(len(order_N), generator=training.generator, device=self._last.device)
        # The largest of log(weight) + Gumbel noise are a sample without replacement.
        keys = self._last[order_N].clamp(min=1e-6).log() - (-uniform.log()).log()
        drawn = keys.argsort(descending=True, stable=True)[: self.images(len(order_N))]
        return order_N[drawn.sort().values]

    def seen(self, training: Training, batch: Batch, losses_B: Tensor) -> None:
        """Keep the losses of a step."""
        self._last[batch.places] = losses_B
