"""Classifiers in closed form on frozen features.

Legend: N images, F features, K classes.
"""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....search_space.architecture.network import Network
from ....search_space.components.heads import MeanOfScores, NormedLinear
from ...base import CandidateError
from .base import RecipeOption, Training, network_of

_RIDGES = 10.0 ** np.arange(-6, 3)
"""Ridges tried, as multiples of the mean squared norm of the centred features."""
_BATCHES = 10
"""Batches from which batch norms of untrained networks take their statistics."""

Floats = NDArray[np.float64]


def ridge_classifier(
    features_NF: Floats, labels_N: NDArray[np.int64], classes: int, *, balanced: bool = False
) -> tuple[Floats, Floats]:
    """Return matrix (K, F) and bias (K,) of a ridge classifier, with the best ridge.

    The ridge is the one with the smallest leave-one-out error, in closed form (scikit-learn's
    ``RidgeClassifierCV``). A class without images has the lowest bias.

    Args:
        features_NF: Features.
        labels_N: Classes.
        classes: Number of classes, K.
        balanced: Whether every class counts the same.
    """
    from sklearn.linear_model import RidgeClassifierCV

    centred_NF = features_NF - features_NF.mean(0)
    size = float(np.square(centred_NF).sum(1).mean()) or 1.0
    weights = "balanced" if balanced else None
    fitted = RidgeClassifierCV(alphas=_RIDGES * size, class_weight=weights)
    fitted.fit(features_NF, labels_N)
    matrix_KF = np.zeros((classes, features_NF.shape[1]))
    bias_K = np.full(classes, -1e4)
    rows, starts = np.atleast_2d(np.asarray(fitted.coef_)), np.atleast_1d(fitted.intercept_)
    if len(fitted.classes_) == 2:  # one row, for the second class
        rows, starts = np.vstack([-rows, rows]), np.hstack([-starts, starts])
    matrix_KF[fitted.classes_], bias_K[fitted.classes_] = rows, starts
    return matrix_KF, bias_K


@torch.no_grad()
def set_classifier(module: nn.Module, matrix_KF: Tensor, bias_K: Tensor) -> None:
    """Give a linear classifier, alone or behind a batch norm, a matrix and a bias in eval mode.

    Raises:
        CandidateError: If the module is no linear map of the features.
    """
    if isinstance(module, MeanOfScores):
        set_classifier(module.labels, matrix_KF, bias_K)
        set_classifier(module.teacher, matrix_KF, bias_K)
        return
    if isinstance(module, NormedLinear):
        mean, spread = module.norm.running_mean, module.norm.running_var
        assert mean is not None and spread is not None, "batch norms keep their statistics"
        module.norm.weight.fill_(1.0)
        module.norm.bias.fill_(0.0)
        scale_F = (spread + module.norm.eps).sqrt()
        matrix_KF, bias_K = matrix_KF * scale_F, bias_K + matrix_KF @ mean
        module = module.linear
    if not isinstance(module, nn.Linear) or module.bias is None:  # type: ignore[redundant-expr]
        raise CandidateError("error", f"a probe needs a linear classifier, not {type(module)}")
    module.weight.copy_(matrix_KF)
    module.bias.copy_(bias_K)


@torch.no_grad()
def pooled_features(training: Training, model: Network) -> Tensor:
    """Return the classifier's inputs for all training images, not augmented, (N, F), on the CPU."""
    model.eval()
    found: list[Tensor] = []
    for images in training.data.train_images.split(2 * training.recipe.batch_size):
        maps = model.forward_features(training.normalise(images))
        found.append(model.forward_head(maps, pre_logits=True).double().cpu())
    return torch.cat(found)


@contextmanager
def _fresh_statistics(model: nn.Module) -> Generator[None]:
    """Let batch norms take their statistics as the mean over the batches inside the context."""
    norms = [each for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]  # pyright: ignore[reportPrivateUsage]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
    try:
        yield
    finally:
        for each, momentum in zip(norms, momenta, strict=True):
            each.momentum = momentum


def _class_labels(training: Training) -> Tensor:
    """Return the classes of the training images, also where the labels to train on are others."""
    data, given = training.data, training.given
    return (data if data.classes == given.classes else given).train_labels


class LinearProbe(RecipeOption):
    """Fits the classifier anew on the frozen features of the trained network.

    Razavian et al., CNN Features off-the-shelf: an Astounding Baseline for Recognition, 2014 (T06):
    the features of one layer and a linear classifier judge a network. There it is a support vector
    machine; here it is ridge regression on the classes, whose ridge is tuned. The network keeps
    the classifier, so that it is exported as it was scored.
    """

    name = "linear_probe"

    def finish(self, training: Training) -> bool:
        """Fit the classifier."""
        model = network_of(training, self.name)
        features = pooled_features(training, model).numpy()
        if not np.isfinite(features).all():
            raise CandidateError("non_finite", "the features of the training images are not finite")
        labels = _class_labels(training).cpu().numpy()
        matrix, bias = ridge_classifier(
            features, labels, model.num_classes, balanced=training.recipe.class_weights
        )
        like = next(model.parameters())
        set_classifier(
            model.get_classifier(),
            torch.from_numpy(matrix).to(like),
            torch.from_numpy(bias).to(like),
        )
        return True


class RandomFeatures(LinearProbe):
    """Fits the classifier on the features of the untrained network.

    Simon et al., More is Better in Modern Machine Learning, 2024 (P08): with a tuned ridge the risk
    of random-feature regression falls with more features and more images. Batch norms take their
    statistics from a few batches first. The score of the same name among the training-free ones
    (``evaluators/training_free``) is the explained variance on a few training images; this is the
    accuracy on the validation split.
    """

    name = "random_features"

    @torch.no_grad()
    def finish(self, training: Training) -> bool:
        """Set the statistics of batch norms, and fit the classifier."""
        model = network_of(training, self.name).train()
        size = training.recipe.batch_size
        with _fresh_statistics(model):
            for place in range(_BATCHES):
                images = training.data.train_images[place * size : (place + 1) * size]
                if len(images) > 1:
                    model(training.normalise(images))
        return super().finish(training)
