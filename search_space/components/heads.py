"""Heads: from the last feature map to class scores.

Shape suffixes: B batch, C channels, H rows, W columns, F features, K classes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from torch import Tensor, nn

from ..domains import YES_NO, IntRange, Positive
from ..shapes import Shape
from .activations import ACTIVATION, activation
from .base import TOKENS, Head, Norm, table_of
from .branch_ends import BranchHead
from .class_attention import ClassAttentionHead
from .classifier import Classifier
from .initial import small_start
from .layers.canonical_forms import RoundedRatio
from .layers.folding import Foldable
from .norms import BatchNorm, LayerNorm
from .wide_heads import TanhHead, WideMlpHead


class PooledClassifier(Classifier):
    """Norm before or after the mean over positions, then the classifier."""

    def __init__(self, norm: nn.Module, classifier: nn.Module, norm_first: bool = False) -> None:
        super().__init__()
        self.norm = norm
        self.classifier = classifier
        self.norm_first = norm_first

    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C)."""
        if self.norm_first:
            return self.norm(x_BCHW).mean((2, 3))
        return self.norm(x_BCHW.mean((2, 3), keepdim=True)).flatten(1)


@dataclass(frozen=True, kw_only=True)
class PooledHead(Head):
    """Mean over positions, norm, one linear map (ConvNeXt, Liu et al., 2022).

    Initial weights are as there; torchvision's ResNet has torch's own, MLP-Mixer zeros.
    """

    name = "pooled"
    order_free = True

    norm: Norm = field(default_factory=LayerNorm)
    """Norm between mean and map, or before the mean."""
    norm_first: Annotated[bool, YES_NO] = False
    """Whether the norm comes before the mean, as in MLP-Mixer and PoolFormer, not after."""

    def canonical(self, shape: Shape) -> Self:
        """Without a norm, or with one position, ``norm_first`` has no effect."""
        matters = shape.tokens > 1 and not self.norm.is_identity
        return self if matters else replace(self, norm_first=False)

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        norm = self.norm.build(shape if self.norm_first else Shape(shape.channels, 1, 1))
        return PooledClassifier(norm, self.classifier(shape.channels, classes), self.norm_first)

    def classifier(self, channels: int, classes: int) -> nn.Module:
        """Build the module that maps pooled channels to scores."""
        return small_start(nn.Linear(channels, classes))


class NormedLinear(Foldable):
    """A batch norm and a linear map, which fold into one linear map."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x_BC: Tensor) -> Tensor:
        """Map (B, C) to (B, K)."""
        return self.linear(self.norm(x_BC))

    def folded(self) -> nn.Linear:
        """Return one linear map."""
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None and var is not None
        scale = self.norm.weight / (var + self.norm.eps).sqrt()
        matrix, start = self.linear.weight, self.norm.bias - mean * scale
        return linear(matrix * scale, self.linear.bias + matrix @ start)


def linear(matrix: Tensor, bias: Tensor) -> nn.Linear:
    """Return a linear layer with the given matrix and bias."""
    made = nn.Linear(matrix.shape[1], matrix.shape[0], device="meta")  # draws no random numbers
    made.weight, made.bias = nn.Parameter(matrix), nn.Parameter(bias)
    return made


class MeanOfScores(nn.Module):
    """The mean of two classifiers' scores."""

    def __init__(self, labels: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.labels, self.teacher = labels, teacher

    def forward(self, x_BC: Tensor) -> Tensor:
        """Map (B, C) to (B, K)."""
        return (self.labels(x_BC) + self.teacher(x_BC)) / 2


class MergedScores(MeanOfScores, Foldable):
    """The mean of two classifiers' scores; for inference the two fold into one classifier."""

    def folded(self) -> nn.Module:
        """Return one linear map."""
        labels, teacher = (
            each.folded() if isinstance(each, NormedLinear) else each
            for each in (self.labels, self.teacher)
        )
        assert isinstance(labels, nn.Linear) and isinstance(teacher, nn.Linear)
        return linear((labels.weight + teacher.weight) / 2, (labels.bias + teacher.bias) / 2)


@dataclass(frozen=True, kw_only=True)
class DistilledHead(PooledHead):
    """A pooled head with two linear maps, one for a teacher's labels (Graham et al., LeViT, 2021).

    arXiv:2104.01136; also the head of RepViT and CAS-ViT. The scores are the mean of both maps,
    here in training too, where the reference codes give each map its own loss.
    """

    name = "distilled"
    added = ("own_norms", "merges")

    own_norms: Annotated[bool, YES_NO] = False
    """Whether each map has a batch norm of its own that folds into it, as in LeViT."""
    merges: Annotated[bool, YES_NO] = False
    """Whether both maps fold into one for inference, as in RepViT (Wang et al., 2023)."""

    def classifier(self, channels: int, classes: int) -> nn.Module:
        """Build two linear maps."""
        make = NormedLinear if self.own_norms else nn.Linear
        mean = MergedScores if self.merges else MeanOfScores
        return small_start(mean(make(channels, classes), make(channels, classes)))


class MeanOfTokenScores(nn.Module):
    """The mean of the scores of several tokens, each with a linear map of its own."""

    def __init__(self, tokens: int, channels: int, classes: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(channels, classes) for _ in range(tokens))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Map the channels of all tokens (B, F) to (B, K)."""
        shares = x_BF.chunk(len(self.maps), 1)
        scores_BK, *others = (each(share) for each, share in zip(self.maps, shares, strict=True))
        for each in others:
            scores_BK = scores_BK + each
        return scores_BK / len(self.maps) if others else scores_BK


class TokenClassifier(Classifier):
    """The first tokens, a norm, then the classifier."""

    def __init__(self, norm: nn.Module, classifier: nn.Module, tokens: int) -> None:
        super().__init__()
        self.norm = norm
        self.classifier = classifier
        self.tokens = tokens

    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the channels of all tokens (B, F)."""
        first_BCT1 = x_BCHW.flatten(2)[:, :, : self.tokens, None]
        return self.norm(first_BCT1).transpose(1, 2).flatten(1)


@dataclass(frozen=True, kw_only=True)
class TokenHead(Head):
    """A norm and a linear map of the class token, or of several, whose scores are averaged.

    Dosovitskiy et al., ViT, 2020, arXiv:2010.11929, equation 4; Touvron et al., DeiT, 2020,
    arXiv:2012.12877, section 4, with a token for the labels of a teacher, where the scores are
    averaged in training too. The tokens are the first positions of the map, where the stem
    ``class_tokens`` puts them.
    """

    name = "class_tokens"
    by_name = True

    norm: Norm = field(default_factory=LayerNorm)
    """Norm before the linear map."""
    tokens: Annotated[int, IntRange(1, 16)] = 1
    """Number of tokens, each with a linear map of its own, 1 to 16; at most the positions."""

    def arranged(self, given: str, shape: Shape) -> str | None:
        """There must be class tokens."""
        return given if given == TOKENS else None

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """There must be as many positions as tokens."""
        if self.tokens <= shape.tokens:
            return None
        return f"tokens must be at most {shape.tokens}, the positions, but got {self.tokens}"

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        classifier = MeanOfTokenScores(self.tokens, shape.channels, classes)
        norm = self.norm.build(Shape(shape.channels, self.tokens, 1))
        return TokenClassifier(norm, small_start(classifier), self.tokens)


class WideClassifier(Classifier):
    """Linear map, norm and activation, before or after the mean over positions; classifier."""

    def __init__(self, features: nn.Module, classifier: nn.Module, pool_first: bool) -> None:
        super().__init__()
        self.features = features
        self.classifier = classifier
        self.pool_first = pool_first

    def pooled(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, F)."""
        if self.pool_first:
            return self.features(x_BCHW.mean((2, 3), keepdim=True)).flatten(1)
        return self.features(x_BCHW).mean((2, 3))


@dataclass(frozen=True, kw_only=True)
class WideHead(Head):
    """A map to more channels, an activation, and the classifier (MobileNetV2, 2018).

    Sandler et al., table 1; in FasterNet (Chen et al., 2023, figure 4) the mean over positions
    comes before the map, which has no norm. In Conv2Former (Hou et al., 2022) the norm comes last.
    Initial weights are as in FasterNet; MobileNetV2's depend on the number of outputs.
    """

    name = "wide"

    features: Annotated[int, Positive(whole=True)] = 1280
    """Channels before the classifier."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after the norm."""
    norm: Norm = field(default_factory=BatchNorm)
    """Norm after the map."""
    norm_last: Annotated[bool, YES_NO] = False
    """Whether the norm comes after the activation, not before."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the map has a bias."""
    pool_first: Annotated[bool, YES_NO] = False
    """Whether the mean over positions is taken before the map."""

    def canonical(self, shape: Shape) -> Self:
        """With one position ``pool_first`` has no effect, without a norm ``norm_last`` has none."""
        return replace(
            self,
            pool_first=self.pool_first and shape.tokens > 1,
            norm_last=self.norm_last and not self.norm.is_identity,
        )

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        side = (1, 1) if self.pool_first else (shape.height, shape.width)
        layers = OrderedDict[str, nn.Module](
            conv=nn.Conv2d(shape.channels, self.features, 1, bias=self.bias),
            norm=self.norm.build(Shape(self.features, *side)),
            act=activation(self.activation),
        )
        if self.norm_last:
            layers.move_to_end("norm")
        features, classifier = nn.Sequential(layers), nn.Linear(self.features, classes)
        return small_start(WideClassifier(features, classifier, self.pool_first))


@dataclass(frozen=True, kw_only=True)
class MlpHead(RoundedRatio, Head):
    """Mean over positions, norm, and a perceptron with a norm inside (MetaFormer Baselines, 2022).

    Also the head of InceptionNeXt (Yu et al., 2023), which has no norm after the mean.
    """

    name = "mlp"

    ratio: Annotated[float, Positive()] = 4.0
    """Ratio of hidden channels to channels."""
    activation: Annotated[str, ACTIVATION] = "squared_relu"
    """Activation inside the perceptron."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm between mean and perceptron."""
    inner_eps: Annotated[float, Positive()] = 1e-5
    """Number added to the variance in the layer norm inside, which follows the activation."""

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Build the module."""
        hidden = self.hidden(shape)
        perceptron = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(shape.channels, hidden),
                act=activation(self.activation),
                norm=nn.LayerNorm(hidden, eps=self.inner_eps),
                fc2=nn.Linear(hidden, classes),
            )
        )
        norm = self.norm.build(Shape(shape.channels, 1, 1))
        return PooledClassifier(norm, small_start(perceptron))


HEADS = table_of(
    PooledHead,
    DistilledHead,
    TokenHead,
    BranchHead,
    ClassAttentionHead,
    MlpHead,
    WideHead,
    TanhHead,
    WideMlpHead,
)
