"""The tangent kernel of a trained network.

Shape suffixes: B images, T training images, V validation images, P parameters.
"""

import torch
from torch import Tensor, nn

from ...search_space.architecture.network import Network
from ..accuracy.training.losses import output_scale
from ..diagnostics import DIAGNOSTICS
from ..training_free.base import NotDefinedError
from ..training_free.gradients import gradients
from .base import Diagnostic, Found, Sample, Trained


def jacobian(network: Network, images_BCHW: Tensor, outputs_B: Tensor) -> Tensor:
    """Return the gradient of one output of each image, (B, P)."""
    parameters = list(network.parameters())
    rows: list[Tensor] = []
    for image_CHW, kind in zip(images_BCHW, outputs_B, strict=True):
        found = gradients(network(image_CHW[None])[0, int(kind)], parameters)
        rows.append(torch.cat([g.flatten() for g in found if g is not None]))
    return torch.stack(rows)


def products(left_BP: Tensor, right_TP: Tensor) -> Tensor:
    """Return the kernel of two Jacobians, (B, T), float64; sums over blocks of parameters."""
    total_BT = torch.zeros(len(left_BP), len(right_TP), dtype=torch.float64)
    for left, right in zip(left_BP.split(2**16, 1), right_TP.split(2**16, 1), strict=True):
        total_BT += left.double() @ right.double().T
    return total_BT


def ratio(validation_VT: Tensor, training_TT: Tensor) -> float:
    """Return the largest norm of a validation image's kernel row by that of a training image's.

    Raises:
        NotDefinedError: If the training images have no gradients.
    """
    norms_T = training_TT.norm(dim=1)
    if not float(norms_T.max()) > 0:
        raise NotDefinedError("the scores of the training images do not depend on the weights")
    return float(validation_VT.norm(dim=1).max() / norms_T.max())


def change(before_TT: Tensor, after_TT: Tensor) -> float:
    """Return 1 - the cosine of two centred kernels: 0 if one is a multiple of the other.

    Raises:
        NotDefinedError: If one of them is constant.
    """
    kernels = [_centred(each) for each in (before_TT, after_TT)]
    size = float(kernels[0].norm() * kernels[1].norm())
    if not size > 0:
        raise NotDefinedError("the gradients of all training images are the same")
    return max(0.0, 1 - float((kernels[0] * kernels[1]).sum()) / size)


def _centred(kernel_TT: Tensor) -> Tensor:
    """Return the kernel of gradients minus their mean."""
    found = kernel_TT - kernel_TT.mean(0) - kernel_TT.mean(1, keepdim=True) + kernel_TT.mean()
    small = found.norm() <= 1e-12 * kernel_TT.norm()
    return torch.zeros_like(found) if small else found


class KernelRatio(Diagnostic):
    """The size of the tangent kernel between validation and training images, by training images.

    Jeffares, Curth and van der Schaar, Deep Learning Through a Telescoping Lens, 2024 (P05): a
    trained network is a sum of first-order steps, each of which changes the prediction of an image
    by its tangent kernel with the training images. Where that of new images is much larger than
    that of training images, predictions are irregular. The paper sums the largest norms over all
    steps of the training; here it is the ratio at the kept weights, the last term of that sum. The
    score of the predicted class stands for the outputs of a network of classes; the kernel of
    numbers, which are standardised, and of labels is the mean over all of them.
    """

    name = "kernel_ratio"
    metrics = (DIAGNOSTICS["kernel_ratio"].metric,)
    versions = {"regression": 2, "labels": 2}  # noqa: RUF012
    defaults = {"batch": 16}  # noqa: RUF012

    def find(self, trained: Trained) -> Found:
        """Return the ratio.

        Raises:
            NotDefinedError: If the training images have no gradients.
        """
        network = _standardised(self.network(trained), trained)
        training, validation = self.training(trained), self.validation(trained)
        own: list[Tensor] = []
        between: list[Tensor] = []
        for ours_T, theirs_V in zip(
            _outputs(trained, network, training),
            _outputs(trained, network, validation),
            strict=True,
        ):
            training_TP = jacobian(network, training.images_BCHW, ours_T)
            validation_VP = jacobian(network, validation.images_BCHW, theirs_V)
            own.append(products(training_TP, training_TP))
            between.append(products(validation_VP, training_TP))
        return Found(value=ratio(torch.stack(between).mean(0), torch.stack(own).mean(0)))


class KernelChange(Diagnostic):
    """The change of the tangent kernel from the start of the training to the kept weights.

    Jeffares et al., 2024 (P05): the telescoping model of a training differs from a linear one only
    by the change of the gradients between steps; where they hardly change, the training is lazy,
    and weights can be averaged. The paper follows the change from step to step; here it is 1 - the
    cosine of the centred kernels at both ends. Batch norms of the untrained network use the mean
    and variance of the training images. Neither side is better. Not defined where a training began
    with inherited weights. The outputs are those of ``KernelRatio``.
    """

    name = "kernel_change"
    metrics = (DIAGNOSTICS["kernel_change"].metric,)
    versions = {"regression": 2, "labels": 2}  # noqa: RUF012
    defaults = {"batch": 16}  # noqa: RUF012

    def find(self, trained: Trained) -> Found:
        """Return the change.

        Raises:
            NotDefinedError: If the weights at the start are not known, or there are no gradients.
        """
        untrained = trained.untrained()
        if untrained is None:
            raise NotDefinedError("the weights that the training began with are not known")
        sample = self.training(trained)
        network = _standardised(self.network(trained), trained)
        start = _calibrated(untrained.to(self.dtype), sample.images_BCHW)
        outputs = _outputs(trained, network, sample)
        kernels: list[Tensor] = []
        for each in (start, network):
            rows = (jacobian(each, sample.images_BCHW, places_B) for places_B in outputs)
            kernels.append(torch.stack([products(one, one) for one in rows]).mean(0))
        return Found(value=change(*kernels))


@torch.no_grad()
def _outputs(trained: Trained, network: Network, sample: Sample) -> list[Tensor]:
    """Return the outputs that a kernel is the mean over: for each, its place for each image, (B,).

    Of classes it is the predicted one alone, whose score decides. Numbers and labels stand each for
    itself.
    """
    if trained.data.target == "classes":
        return [network(sample.images_BCHW).argmax(1)]
    count = len(sample.images_BCHW)
    return [torch.full((count,), place) for place in range(len(trained.data.classes))]


def _standardised(network: Network, trained: Trained) -> Network:
    """Let a network of numbers predict them as in its training, without mean and deviation."""
    if (scale := output_scale(trained.data)) is not None:
        scale.take_from(network)
    return network


@torch.no_grad()
def _calibrated(network: Network, images_BCHW: Tensor) -> Network:
    """Give batch norms the mean and variance of the images; return the network in eval mode."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = 1.0
    network.train()(images_BCHW)
    return network.eval()
