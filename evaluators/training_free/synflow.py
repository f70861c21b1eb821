"""The flow through the weights of an untrained network."""

import math

import torch

from ...search_space.architecture.architecture import Architecture
from ...search_space.components.activations import ACTIVATIONS as SHIPPED
from ..scores import SCORES
from .base import NotDefinedError, Score
from .gradients import gradients
from .norms import NORMS, skip

ACTIVATIONS = tuple({type(make()) for make in SHIPPED.values()})
"""Classes of activations."""


class SynFlow(Score):
    """The logarithm of abs(weight x gradient of the summed output), summed over all parameters.

    Tanaka et al., Pruning Neural Networks Without Any Data by Iteratively Conserving Synaptic
    Flow, 2020: all weights are made positive and the image is all ones, so no images
    are read. Three differences keep the score from collapsing. It is computed in float64 and given
    as a logarithm. Norms of every kind are left out, not only batch norms: after a layer norm the
    outputs sum to zero. Activations are left out too, since they pass large positive values (a
    squared ReLU would square the flow). Absolute values are summed, so that Fourier filters, whose
    products may be negative, have a score too. Gates that multiply features with features square
    the flow at each block; where it exceeds float64, the score is not defined.
    """

    name = "synflow"
    metrics = (SCORES["synflow"].metric,)
    dtype = torch.float64
    defaults = {"batch": 1}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the logarithm.

        Raises:
            NotDefinedError: If the flow is zero or exceeds float64, as where features multiply
                features many times.
        """
        network = self.network(architecture)
        skip(each for each in network.modules() if isinstance(each, (*NORMS, *ACTIVATIONS)))
        parameters = list(network.parameters())
        with torch.no_grad():
            for each in parameters:
                each.abs_()
        ones = torch.ones(1, *architecture.input, device=self.device, dtype=self.dtype)
        output = network.eval()(ones).sum()
        found = gradients(output, parameters)
        flow = sum(
            float((weight.detach() * gradient).abs().sum())
            for weight, gradient in zip(parameters, found, strict=True)
            if gradient is not None
        )
        if not 0 < flow < math.inf:
            raise NotDefinedError(
                "gates that multiply features with features make the flow exceed float64"
                if flow
                else "no weight carries any flow"
            )
        return math.log(flow)
