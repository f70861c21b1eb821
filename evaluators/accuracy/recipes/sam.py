"""Sharpness-aware minimisation."""

from collections.abc import Callable

import torch
from torch import Tensor

from .base import RecipeOption, Training, kept_buffers


class Sam(RecipeOption):
    """Takes the gradient at the worst weights in a ball around the present ones.

    Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021,
    equation 2: the weights move by rho along the gradient over its norm, the gradient is taken
    there, and the step is made from the weights before. Chen et al. (2022, T33) show that it
    removes the sharp minima of attention networks and MLPs, so it can change the order of
    candidates. A step takes two gradients, so twice the time. The statistics of batch norms are
    those of the first one alone.
    """

    name = "sam"

    def after_backward(self, training: Training, again: Callable[[], Tensor]) -> None:
        """Replace the gradients by those at the worst weights."""
        moved = [each for each in training.optimizer.parameters if each.grad is not None]
        gradients = [each.grad for each in moved if each.grad is not None]
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(each) for each in gradients])
        )
        scale = self.amount / (norm + 1e-12)
        with torch.no_grad():
            before = [each.clone() for each in moved]
            for each, gradient in zip(moved, gradients, strict=True):
                each.add_(gradient * scale)
        for each in training.optimizer.parameters:
            each.grad = None
        with kept_buffers(training.model):
            again()
        with torch.no_grad():
            for each, kept in zip(moved, before, strict=True):
                each.copy_(kept)
