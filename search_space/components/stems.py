"""Stems: modules from the image to the first feature map."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from torch import nn

from ..domains import YES_NO, Choice, IntRange, Positive
from ..shapes import Shape, conv_size
from .activations import ACTIVATION, NONE_OR_ACTIVATION, activation
from .base import Norm, Stem, table_of
from .branch_ends import BranchStem
from .initial import fan_out_start, small_start
from .layers.conv_norm import conv_norm
from .layers.gate_and_shortcut import Shortcut
from .layers.multi_scale_patches import MultiScalePatches
from .layers.wave_places import WavePlaces
from .mixers.rep_conv import RepConvStem
from .norms import BatchNorm, LayerNorm, NoNorm
from .patch_stems import CrossScaleStem, PatchStem, Positions, PositionStem, TokenStem
from .placed_convs import PlacedConvStem


@dataclass(frozen=True, kw_only=True)
class ConvStem(Stem):
    """One overlapping convolution and a norm, as in PoolFormer (Yu et al., MetaFormer, 2022).

    There it is 7x7 of stride 4, padded by 2; in VAN (Guo et al., 2022) padded by 3. Initial weights
    are as in PoolFormer; with an activation they are as in ResNet and VAN.
    """

    name = "conv"
    added = ("padding", "bias", "activation", "pool")

    kernel_size: Annotated[int, Choice((3, 5, 7, 9))] = 3
    """Side of the kernel in pixels, odd, 3 to 9."""
    stride: Annotated[int, Choice((1, 2, 4))] = 2
    """Step in pixels: 1, 2 or 4."""
    padding: Annotated[str, Choice(("fit", "half"))] = "fit"
    """Zeros added at each end: ``fit`` is (kernel - stride + 1) // 2, ``half`` is kernel // 2."""
    bias: Annotated[bool, YES_NO] = True
    """Whether the convolution has a bias."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm after the convolution."""
    activation: Annotated[str, NONE_OR_ACTIVATION] = "none"
    """Activation after the norm: relu in ResNet, relu6 in MobileNetV2."""
    pool: Annotated[bool, YES_NO] = False
    """Whether a 3x3 maximum of stride 2 follows, as in ResNet."""

    @property
    def geometry(self) -> tuple[int, int, int]:
        """Side of the kernel, step, and zeros added at each end."""
        fit = max(0, self.kernel_size - self.stride + 1) // 2
        padding = self.kernel_size // 2 if self.padding == "half" else fit
        return self.kernel_size, self.stride, padding

    def canonical(self, shape: Shape) -> Self:
        """Take the padding ``fit`` where both rules agree."""
        same = replace(self, padding="fit")
        return same if same.geometry == self.geometry else self

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return self._out_side(height), self._out_side(width)

    def _out_side(self, size: int) -> int:
        size = conv_size(size, *self.geometry)
        return -(-size // 2) if self.pool else size

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        sides = [conv_size(side, *self.geometry) for side in shape[1:]]
        start = small_start if self.activation == "none" else fan_out_start
        layers = OrderedDict[str, nn.Module](
            conv=start(nn.Conv2d(shape.channels, width, *self.geometry, bias=self.bias)),
            norm=self.norm.build(Shape(width, *sides)),
        )
        if self.activation != "none":
            layers["act"] = activation(self.activation)
        if self.pool:
            layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class TwoConvStem(Stem):
    """Two 3x3 convolutions, the first of stride 2 (Xiao et al., Early Convolutions, 2021).

    arXiv:2106.14881; also the stem of CAS-ViT (Zhang et al., 2024), FFNet (Yun et al., 2024) and,
    with nothing between the convolutions, timm's smaller ConvNeXts ("overlap"). Initial weights are
    as there; CAS-ViT's, and StarNet's biases, are torch's. In CoAtNet (Dai et al., 2021) and MaxViT
    the second has stride 1 and no norm.
    """

    name = "two_convs"
    added = ("second_stride", "last_norm", "start")

    hidden: Annotated[int, Positive(whole=True)] = 32
    """Channels between the two convolutions."""
    activation: Annotated[str, NONE_OR_ACTIVATION] = "relu"
    """Activation after the first norm, or none."""
    last_activation: Annotated[bool, YES_NO] = True
    """Whether an activation follows the second norm too."""
    bias: Annotated[bool, YES_NO] = False
    """Whether the convolutions have a bias."""
    first_norm: Annotated[bool, YES_NO] = True
    """Whether the first convolution has a norm too."""
    norm: Norm = field(default_factory=BatchNorm)
    """Norm after the convolutions."""
    second_stride: Annotated[int, Choice((1, 2))] = 2
    """Step of the second convolution in pixels."""
    last_norm: Annotated[bool, YES_NO] = True
    """Whether the second convolution has a norm too."""
    start: Annotated[str, Choice(("usual", "small", "fan_out", "torch"))] = "usual"
    """Initial weights: ``small`` with a deviation of 0.02; ``fan_out`` as in EfficientNet;
    ``torch`` as in EfficientFormerV2; ``usual`` is ``fan_out`` where the second step is 1, as in
    CoAtNet and MaxViT, else ``small``."""

    def canonical(self, shape: Shape) -> Self:
        """Write no norm at both places as ``NoNorm`` at both; clear ``last_activation`` without an
        activation; write the usual start as ``usual``."""
        normed = (self.first_norm or self.last_norm) and not self.norm.is_identity
        return replace(
            self,
            norm=self.norm if normed else NoNorm(),
            first_norm=self.first_norm or not normed,
            last_norm=self.last_norm or not normed,
            start="usual" if self.start == self._usual_start else self.start,
            last_activation=self.last_activation and self.activation != "none",
        )

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves or quarters, rounded up."""
        step = 2 * self.second_stride
        return -(-height // step), -(-width // step)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        half = Shape(self.hidden, -(-shape.height // 2), -(-shape.width // 2))
        layers = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(shape.channels, self.hidden, 3, 2, 1, bias=self.bias),
            norm1=self.norm.build(half) if self.first_norm else nn.Identity(),
            act1=activation(self.activation),
            conv2=nn.Conv2d(self.hidden, width, 3, self.second_stride, 1, bias=self.bias),
        )
        if self.last_norm:
            layers["norm2"] = self.norm.build(self.out_shape(shape, width))
        if self.last_activation:
            layers["act2"] = activation(self.activation)
        module = nn.Sequential(layers)
        start = self._usual_start if self.start == "usual" else self.start
        if start == "small":
            return small_start(module)
        return fan_out_start(module) if start == "fan_out" else module

    @property
    def _usual_start(self) -> str:
        return "small" if self.second_stride == 2 else "fan_out"


@dataclass(frozen=True, kw_only=True)
class ThreeConvStem(Stem):
    """3x3 convolutions of stride 2 and 1, and 2x2 patches, without biases (Conv2Former, 2022).

    Hou et al., arXiv:2211.11943; as in its code the norms follow the activations.
    """

    name = "three_convs"

    hidden: Annotated[int, Positive(whole=True)] = 32
    """Channels after the first two convolutions."""
    activation: Annotated[str, ACTIVATION] = "gelu"
    """Activation after the first two convolutions."""
    norm: Norm = field(default_factory=BatchNorm)
    """Norm after the first two activations."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return (height + 1) // 2 // 2, (width + 1) // 2 // 2

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        half = Shape(self.hidden, (shape.height + 1) // 2, (shape.width + 1) // 2)
        layers = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(shape.channels, self.hidden, 3, 2, 1, bias=False),
            act1=activation(self.activation),
            norm1=self.norm.build(half),
            conv2=nn.Conv2d(self.hidden, self.hidden, 3, 1, 1, bias=False),
            act2=activation(self.activation),
            norm2=self.norm.build(half),
            conv3=nn.Conv2d(self.hidden, width, 2, 2, bias=False),
        )
        return small_start(nn.Sequential(layers))


@dataclass(frozen=True, kw_only=True)
class ConvStackStem(Stem):
    """3x3 convolutions of stride 2 with batch norms, each doubling the channels.

    LeViT (Graham et al., 2021, arXiv:2104.01136, section 4.2.1) has four, LSNet (Wang et al., 2025)
    three, OverLoCK (Lou and Yu, 2025) two, each followed by one of stride 1; XCiT (El-Nouby et al.,
    2021) has three or four, and adds a map of the position. The norms fold.
    Initial weights are torch's, as in LeViT; OverLoCK's have a deviation of 0.02.
    """

    name = "conv_stack"
    added = ("placed",)

    halvings: Annotated[int, IntRange(1, 5)] = 2
    """Convolutions of stride 2, 1 to 5."""
    doubled: Annotated[bool, YES_NO] = False
    """Whether a convolution of stride 1 follows each one of stride 2."""
    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after each norm but the last."""
    placed: Annotated[bool, YES_NO] = False
    """Whether a linear map of sines and cosines of the position is added, as in XCiT."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output, rounded up."""
        return -(-height // 2**self.halvings), -(-width // 2**self.halvings)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        layers: list[nn.Module] = []
        channels = shape.channels
        for left in reversed(range(self.halvings)):
            inner = max(1, width // 2**left)
            for stride in (2, 1) if self.doubled else (2,):
                conv = conv_norm(channels, inner, 3, stride=stride, folds=True)
                layers += [conv, activation(self.activation)]
                channels = inner
        placed = [Shortcut(WavePlaces(width))] if self.placed else []
        return nn.Sequential(*layers[:-1], *placed)


@dataclass(frozen=True, kw_only=True)
class MultiScaleStem(Stem):
    """Linear map of patches and the larger windows around them (Tatsunami and Taki, RaftMLP, 2021).

    arXiv:2108.04384, section 3.3.
    """

    name = "multi_scale"

    patch_size: Annotated[int, Choice((2, 4, 8, 16))] = 4
    """Side of a patch in pixels; pixels left over at the right and bottom are dropped."""
    scales: Annotated[int, IntRange(1, 4)] = 2
    """Number of windows, each twice as wide as the one before; the first is the patch."""
    norm: Norm = field(default_factory=NoNorm)
    """Norm after the map."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return height // self.patch_size, width // self.patch_size

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        patches = MultiScalePatches(shape.channels, width, self.patch_size, self.scales)
        return nn.Sequential(
            OrderedDict(patches=patches, norm=self.norm.build(self.out_shape(shape, width)))
        )


@dataclass(frozen=True, kw_only=True)
class SeparableStem(Stem):
    """A 3x3 convolution of stride 2, then depthwise, 1x1, depthwise of stride 2 (RepLKNet).

    Ding et al., Scaling Up Your Kernels to 31x31, 2022, arXiv:2203.06717, section 4.1: each
    with batch norm and activation.
    """

    name = "separable"

    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after each norm."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: quarters, rounded up."""
        return -(-height // 4), -(-width // 4)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        act = self.activation
        return nn.Sequential(
            OrderedDict(
                conv=conv_norm(shape.channels, width, 3, stride=2, act=act),
                dwconv1=conv_norm(width, width, 3, groups=width, act=act),
                pwconv=conv_norm(width, width, act=act),
                dwconv2=conv_norm(width, width, 3, stride=2, groups=width, act=act),
            )
        )


@dataclass(frozen=True, kw_only=True)
class OverlappingStem(Stem):
    """Two overlapping convolutions to large patches, each with a norm, and learned positions.

    Liao et al., ViG, 2024, arXiv:2405.18425, reference code: the first has half of the channels,
    its stride is half of the patch and its kernel one more; the second is 3x3 of stride 2.
    """

    name = "overlapping"
    one_size = True

    patch_size: Annotated[int, Choice((4, 8, 16, 32))] = 8
    """Step of both convolutions together in pixels."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation between them."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm after each."""

    def _first_side(self, size: int) -> int:
        half = self.patch_size // 2
        return conv_size(size, half + 1, half, 1)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        sides = (conv_size(self._first_side(size), 3, 2, 1) for size in (height, width))
        rows, columns = sides
        return rows, columns

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        half, inner = self.patch_size // 2, max(1, width // 2)
        middle = Shape(inner, self._first_side(shape.height), self._first_side(shape.width))
        layers = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(shape.channels, inner, half + 1, half, 1),
            norm1=self.norm.build(middle),
            act=activation(self.activation),
            conv2=nn.Conv2d(inner, width, 3, 2, 1),
            norm2=self.norm.build(self.out_shape(shape, width)),
            positions=Positions(self.out_shape(shape, width)),
        )
        return nn.Sequential(layers)


@dataclass(frozen=True, kw_only=True)
class TieredStem(Stem):
    """Three 3x3 convolutions of growing width with batch norms, then a maximum (timm's ResNet-T).

    Wightman, PyTorch Image Models, 2019: 3/8, 1/2 and all of the channels; the first has stride 2,
    and without the maximum the last one too. Initial weights are ResNet's.
    """

    name = "tiered"

    activation: Annotated[str, ACTIVATION] = "relu"
    """Activation after each norm."""
    pool: Annotated[bool, YES_NO] = True
    """Whether a 3x3 maximum of stride 2 follows."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: quarters, rounded up."""
        return -(-height // 4), -(-width // 4)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        first, second = max(1, 3 * width // 8), max(1, width // 2)
        last, act = 1 if self.pool else 2, self.activation
        layers = OrderedDict[str, nn.Module](
            conv1=conv_norm(shape.channels, first, 3, stride=2, act=act),
            conv2=conv_norm(first, second, 3, act=act),
            conv3=conv_norm(second, width, 3, stride=last, act=act),
        )
        if self.pool:
            layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
        return fan_out_start(nn.Sequential(layers), grouped=False)


STEMS = table_of(
    ConvStem,
    TwoConvStem,
    ThreeConvStem,
    ConvStackStem,
    PatchStem,
    PositionStem,
    OverlappingStem,
    TokenStem,
    BranchStem,
    MultiScaleStem,
    CrossScaleStem,
    PlacedConvStem,
    TieredStem,
    SeparableStem,
    RepConvStem,
)
