"""The knobs of squeeze-and-excitation, which many convolutional blocks have."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from ...domains import YES_NO, Choice, Positive
from ...shapes import Shape, scaled
from ..activations import ACTIVATIONS
from ..base import Component
from .conv_norm import SqueezeExcite

QUARTER = 0.25
"""The ratio of EfficientNet, MobileNetV3 and RegNet."""


class _Activating(Component):
    """A component with an activation; the subclass has the knob."""

    activation: str


@dataclass(frozen=True, kw_only=True)
class Squeezing(_Activating):
    """A component with optional squeeze-and-excitation (Hu et al., 2017, arXiv:1709.01507)."""

    squeeze: Annotated[bool, YES_NO] = False
    """Whether there is squeeze-and-excitation."""
    squeeze_ratio: Annotated[float, Positive()] = QUARTER
    """Ratio of the channels inside squeeze-and-excitation to the input channels."""
    squeeze_activation: Annotated[str, Choice(("same", *ACTIVATIONS))] = "same"
    """Activation inside squeeze-and-excitation; ``same``: that of the component."""
    gate: Annotated[str, Choice(("sigmoid", "hard_sigmoid"))] = "sigmoid"
    """Function from the last map to the factors: ``hard_sigmoid`` in MobileNetV3."""

    def squeezed(self, shape: Shape) -> int:
        """Return the channels inside squeeze-and-excitation; 0 if there is none."""
        return scaled(shape.channels, self.squeeze_ratio) if self.squeeze else 0

    def squeezing(self, channels: int, shape: Shape) -> SqueezeExcite | None:
        """Build squeeze-and-excitation of ``channels``, if there is one, for input of ``shape``."""
        squeezed = self.squeezed(shape)
        if not squeezed:
            return None
        return SqueezeExcite(channels, squeezed, act=self.inner_activation, gate=self.gate)

    @property
    def inner_activation(self) -> str:
        """Name of the activation inside squeeze-and-excitation."""
        return self.activation if self.squeeze_activation == "same" else self.squeeze_activation

    def canonical(self, shape: Shape) -> Self:
        """Round the ratio to whole channels, a quarter if it gives as many; reset idle knobs."""
        found = super().canonical(shape)
        channels = self.squeezed(shape)
        as_quarter = channels in (0, scaled(shape.channels, QUARTER))
        return replace(
            found,
            squeeze_ratio=QUARTER if as_quarter else channels / shape.channels,
            squeeze_activation=(
                "same"
                if not self.squeeze or self.squeeze_activation == self.activation
                else self.squeeze_activation
            ),
            gate=self.gate if self.squeeze else "sigmoid",
        )


SQUEEZE_KNOBS = ("squeeze", "squeeze_ratio", "squeeze_activation", "gate")
"""The fields of ``Squeezing``, for components that have them since a later version."""
