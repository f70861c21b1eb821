"""Gaussian noise on the gradient."""

import torch

from .base import RecipeOption, Training

_DECAY = 0.55


def variance(amount: float, step: int) -> float:
    """Return the variance of the noise at a step, from 0 (Neelakantan et al., 2015, equation 1)."""
    return amount / (1 + step) ** _DECAY


class GradientNoise(RecipeOption):
    """Adds Gaussian noise, whose variance falls with the steps, to the clipped gradient.

    Neelakantan et al., Adding Gradient Noise Improves Learning for Very Deep Networks, 2015 (T03):
    eta is chosen from 0.01, 0.3 and 1.0 there, with plain gradient descent or Adam. Here the
    gradient is clipped before, to a norm of 1 by default.
    """

    name = "gradient_noise"

    @torch.no_grad()
    def change_gradients(self, training: Training) -> None:
        """Add the noise of the step."""
        deviation = variance(self.amount, training.step) ** 0.5
        for each in training.optimizer.parameters:
            if each.grad is not None:
                each.grad.add_(torch.randn_like(each.grad), alpha=deviation)
