"""Changed labels of the training split: noise, and the control with shuffled labels."""

from dataclasses import replace

import torch
from torch import Tensor

from ....search_space.seeds import derive_seed
from ..data.dataset import SearchData
from .base import RecipeOption


def noisy(labels_N: Tensor, share: float, classes: int, seed: int) -> Tensor:
    """Return labels of which ``round(share N)`` are replaced by another class at random."""
    generator = torch.Generator().manual_seed(seed)
    changed = torch.randperm(len(labels_N), generator=generator)[: round(share * len(labels_N))]
    shifts = torch.randint(1, max(2, classes), (len(changed),), generator=generator)
    found = labels_N.cpu().clone()
    found[changed] = (found[changed] + shifts) % classes
    return found.to(labels_N.device)


def shuffled(labels_N: Tensor, seed: int) -> Tensor:
    """Return the labels in random order: every class keeps its number of images."""
    generator = torch.Generator().manual_seed(seed)
    return labels_N[torch.randperm(len(labels_N), generator=generator).to(labels_N.device)]


class LabelNoise(RecipeOption):
    """Gives a share of the training images a wrong class, the same ones in every training.

    Rolnick et al., Deep Learning is Robust to Massive Label Noise, 2017 (T07), who add images with
    random labels; here the number of images stays. The validation split keeps its labels. As a
    stress test it shows which candidates withstand noise.
    """

    name = "label_noise"

    def changed_data(self, data: SearchData) -> SearchData:
        """Return the data with wrong training labels."""
        seed = derive_seed("label noise", data.fingerprint)
        labels = noisy(data.train_labels, self.amount, len(data.classes), seed)
        return replace(data, train_labels=labels)


class RandomLabels(RecipeOption):
    """Shuffles the training labels, the same way in every training.

    Zhang et al., Understanding deep learning requires rethinking generalization, 2017 (T31): large
    networks fit random labels too. So nothing about other images can be learned, and a score that
    still ranks candidates measures how well they fit, not how well they generalise.
    """

    name = "random_labels"

    def changed_data(self, data: SearchData) -> SearchData:
        """Return the data with shuffled training labels."""
        seed = derive_seed("random labels", data.fingerprint)
        return replace(data, train_labels=shuffled(data.train_labels, seed))
