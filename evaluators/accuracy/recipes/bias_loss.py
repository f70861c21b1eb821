"""A loss in which images with few distinct features count less."""

from torch import Tensor

from .base import RecipeOption, Training, network_of

_BETA = 0.3


def image_weights(maps_BCHW: Tensor, alpha: float) -> Tensor:
    """Return the weight of each image, exp(alpha v) - 0.3 (Abrahamyan et al., 2021, equation 4).

    v is the variance of the image's features, scaled to 0 for the smallest of the batch and 1 for
    the largest. The weights are constants: no gradient goes through them.
    """
    spread_B = maps_BCHW.detach().float().flatten(1).var(1, correction=0)
    low, high = spread_B.min(), spread_B.max()
    return (alpha * (spread_B - low) / (high - low).clamp(min=1e-12)).exp() - _BETA


class BiasLoss(RecipeOption):
    """Weighs the loss of each image by the variance of its last map.

    Abrahamyan et al., Bias Loss for Mobile Neural Networks, 2021 (T04), with alpha and beta of 0.3:
    in a small network, images without distinct features must not lead the training.
    """

    name = "bias_loss"

    def losses(self, training: Training, images: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted losses."""
        model, kept = network_of(training, self.name), list[Tensor]()
        hook = model.head_module.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
        try:
            logits = training.logits(model, images)
        finally:
            hook.remove()
        return training.loss(logits, targets, "none") * image_weights(kept[0], self.amount)
