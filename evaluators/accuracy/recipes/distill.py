"""Distillation from a teacher that sees the same changed images as the network.

Legend: B images of a batch, K classes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ....search_space.architecture.network import Network
from .base import RecipeOption, Training

_TEMPERATURE = 2.0


def soft_loss(logits_BK: Tensor, teacher_BK: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of each image, from the teacher to the network.

    Both softmaxes have the temperature, whose square keeps the size of the gradients (Hinton et
    al., Distilling the Knowledge in a Neural Network, 2015).
    """
    logs_BK = (logits_BK / temperature).log_softmax(1)
    targets_BK = (teacher_BK / temperature).log_softmax(1)
    apart_BK = F.kl_div(logs_BK, targets_BK, reduction="none", log_target=True)
    return temperature**2 * apart_BK.sum(1)


class Distill(RecipeOption):
    """Matches the function of a teacher; the labels have no part in the loss.

    Beyer et al., Knowledge distillation: A good teacher is patient and consistent, 2022 (T16): the
    teacher sees the very images that the network sees, cut, flipped and mixed alike, and the
    training is long. Here the temperature is 2.
    """

    name = "distill"

    def begin(self, training: Training) -> None:
        """Build the teacher."""
        assert training.teacher is not None, "the training has the teacher of its recipe"
        source = training.teacher
        with torch.random.fork_rng(devices=[]):
            teacher = Network(source.architecture)
        teacher.load_state_dict(source.weights)
        self.teacher = teacher.to(training.device).eval().requires_grad_(False)

    def losses(self, training: Training, images: Tensor, targets: Tensor) -> Tensor:
        """Return the divergences from the teacher."""
        logits = training.logits(training.model, images)
        return soft_loss(logits, self.taught(training, images), _TEMPERATURE)

    @torch.no_grad()
    def taught(self, training: Training, images: Tensor) -> Tensor:
        """Return the class scores of the teacher."""
        return training.logits(self.teacher, images)


class DistillHard(Distill):
    """Learns the labels and the classes that a teacher sees, half each.

    Touvron et al., Training data-efficient image transformers & distillation through attention,
    2021 (T25), equation 3. There a further token learns from the teacher; here the classifier does,
    so that every network can be a student.
    """

    name = "distill_hard"

    def losses(self, training: Training, images: Tensor, targets: Tensor) -> Tensor:
        """Return the means of both losses."""
        logits = training.logits(training.model, images)
        classes = self.taught(training, images).argmax(1)
        by_teacher = F.cross_entropy(logits, classes, reduction="none")
        return (training.loss(logits, targets, "none") + by_teacher) / 2
