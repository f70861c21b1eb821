"""Heads with a hidden linear map between the mean over positions and the classifier.

Shape suffixes: B batch, C channels, H rows, W columns, F features, K classes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated

from torch import Tensor, nn

from ..domains import Positive
from ..shapes import Shape
from .activations import ACTIVATION, activation
from .base import Head, Norm
from .classifier import Classifier
from .initial import small_start
from .layers.conv_norm import conv_norm
from .norms import LayerNorm


class HiddenClassifier(Classifier):
    """Layers on the map, the mean over positions, layers on the mean, the classifier."""

    def __init__(self, before: nn.Module, after: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self.classifier = classifier

    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, F)."""
        return self.after(self.before(x_BCHW).mean((2, 3), keepdim=True)).flatten(1)


@dataclass(frozen=True, kw_only=True)
class TanhHead(Head):
    """Mean over positions, norm, a linear map, the hyperbolic tangent, the classifier.

    Dosovitskiy et al., ViT, 2020, arXiv:2010.11929, section 3.1, in pre-training; in MaxViT (Tu et
    al., 2022, arXiv:2204.01697) it follows the mean over positions.
    """

    name = "tanh"

    features: Annotated[int, Positive(whole=True)] = 512
    """Channels before the classifier."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm of the mean."""

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        layers = OrderedDict[str, nn.Module](
            norm=self.norm.build(Shape(shape.channels, 1, 1)),
            map=nn.Conv2d(shape.channels, self.features, 1),
            act=nn.Tanh(),
        )
        classifier = nn.Linear(self.features, classes)
        return small_start(HiddenClassifier(nn.Sequential(), nn.Sequential(layers), classifier))


@dataclass(frozen=True, kw_only=True)
class WideMlpHead(Head):
    """A map to more channels, the mean over positions, and a perceptron with a norm inside.

    Cai et al., EfficientViT, 2022, arXiv:2205.14756, reference code: the first map has a batch norm
    and an activation, the second one a layer norm and the activation; neither has a bias. Initial
    weights are as there, with a deviation of 0.02; timm's are torch's.
    """

    name = "wide_mlp"

    features: Annotated[int, Positive(whole=True)] = 1024
    """Channels after the first map."""
    hidden: Annotated[int, Positive(whole=True)] = 1280
    """Channels before the classifier."""
    activation: Annotated[str, ACTIVATION] = "hard_swish"
    """Activation after both norms."""
    eps: Annotated[float, Positive()] = 1e-5
    """Number added to the variance in both norms."""

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        before = conv_norm(shape.channels, self.features, act=self.activation, eps=self.eps)
        after = OrderedDict[str, nn.Module](
            map=nn.Conv2d(self.features, self.hidden, 1, bias=False),
            norm=LayerNorm(eps=self.eps).build(Shape(self.hidden, 1, 1)),
            act=activation(self.activation),
        )
        classifier = nn.Linear(self.hidden, classes)
        return small_start(HiddenClassifier(before, nn.Sequential(after), classifier))
