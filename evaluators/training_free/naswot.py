"""How differently an untrained network responds to different images.

Shape suffixes: B batch, N units.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ...search_space.architecture.architecture import Architecture
from ..scores import SCORES
from .base import NotDefinedError, Score

_ACTIVATIONS: frozenset[Any] = frozenset(
    {
        *(F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6),
        *(F.gelu, F.silu, F.hardswish, F.mish, F.softplus),
        *(F.leaky_relu, F.leaky_relu_, F.elu, F.elu_, F.selu, F.celu, F.prelu),
    }
)
"""Activations that behave differently for positive and negative inputs, as torch's functions."""


class _Signs(TorchFunctionMode):
    """Collects the signs of the inputs of all activations that see the batch."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.codes_BN: list[Tensor] = []

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _ACTIVATIONS and len(args[0]) == self.batch:
            self.codes_BN.append((args[0] > 0).flatten(1))
        return func(*args, **(kwargs or {}))


def log_determinant(codes_BN: Sequence[Tensor]) -> float:
    """Return the log-determinant of the number of units in which two images have equal signs.

    Args:
        codes_BN: Signs of each activation's units for each image.

    Raises:
        NotDefinedError: If two images have equal signs in all units.
    """
    kernel_BB = torch.zeros(len(codes_BN[0]), len(codes_BN[0]), dtype=torch.float64)
    for each in codes_BN:
        code_BN = each.double()
        kernel_BB = kernel_BB.to(code_BN)
        kernel_BB += code_BN @ code_BN.T + (1 - code_BN) @ (1 - code_BN).T
    sign, value = torch.linalg.slogdet(kernel_BB)
    if float(sign) <= 0 or not bool(value.isfinite()):
        raise NotDefinedError("the signs of the activations' inputs do not tell all images apart")
    return float(value)


class Naswot(Score):
    """The log-determinant of the kernel of the binary codes of images.

    Mellor et al., Neural Architecture Search without Training, 2021: two images are
    similar in as many units as have the same sign. The paper reads the outputs of ReLU. Here the
    code is the sign of the input of any activation with two sides (ReLU, GELU, SiLU and others), so
    the score is defined for networks without ReLU. Softmax and sigmoid gates are not counted.
    """

    name = "naswot"
    metrics = (SCORES["naswot"].metric,)

    def score(self, architecture: Architecture) -> float:
        """Return the log-determinant.

        Raises:
            NotDefinedError: If the network has no activation, or does not tell all images apart.
        """
        images_BCHW = self.batch(architecture).images_BCHW
        run: Callable[[Tensor], Tensor] = self.network(architecture)
        with torch.no_grad(), _Signs(len(images_BCHW)) as signs:
            run(images_BCHW)
        if not signs.codes_BN:
            raise NotDefinedError("the network has no activation such as ReLU or GELU")
        return log_determinant(signs.codes_BN)
