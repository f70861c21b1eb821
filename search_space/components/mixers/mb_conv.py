"""The inverted residual of EfficientNet, with fixed kernels or kernels combined for each image.

Shape suffixes: B batch, C channels, H rows, W columns, E experts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Self

from torch import Tensor, nn

from ...domains import YES_NO, Choice, IntRange, Positive
from ...shapes import Shape
from ..activations import ACTIVATION, activation
from ..base import Downsampling, TokenMixer, Traits
from ..initial import fan_out_deviation, fan_out_start
from ..layers.canonical_forms import ClippedKernel, RoundedRatio
from ..layers.kernel_clipping import KERNEL
from ..layers.mixed_conv import MixedConv
from ..layers.squeezing import SQUEEZE_KNOBS, Squeezing
from .conditional import KernelBank
from .dynamic_kernels import convolve_each

PARTS = ("mixed_kernels", "expand_parts", "project_parts")

FORMS = ("inner_norms", "after_projection", "first_activation", "squeeze_early")

AFTER = Choice(("norm", "bias", "none"))
"""What follows a projection."""

EXPERTS = IntRange(0, 64)
"""Legal numbers of experts; 0: one kernel for all images."""


class RoutedConv(nn.Module):
    """A convolution without bias whose kernel is combined from experts, and a batch norm."""

    def __init__(
        self,
        experts: int,
        channels: int,
        width: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        eps: float,
    ) -> None:
        super().__init__()
        self.bank = KernelBank(
            count=experts,
            channels=channels,
            width=width,
            kernel_size=kernel_size,
            depthwise=depthwise,
            bias=False,
        )
        outputs = 1 if depthwise else width
        deviation = fan_out_deviation(outputs, kernel_size**2)
        nn.init.normal_(self.bank.weight, std=deviation)
        self.norm = nn.BatchNorm2d(width, eps=eps)
        self.stride = stride

    def forward(self, x_BCHW: Tensor, share_BE: Tensor) -> Tensor:
        """Map (B, C, H, W), with the weight of each expert, to the output."""
        kernels_BOIkl, _ = self.bank.combined(share_BE)
        return self.norm(convolve_each(x_BCHW, kernels_BOIkl, stride=self.stride))


class PlainConv(nn.Module):
    """A convolution, or one for each part of the channels, and a batch norm, a bias, or neither.

    ``between`` is a module between the convolution and its norm.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel_size: int | tuple[int, ...] = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        eps: float,
        end: str = "norm",
        between: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if isinstance(kernel_size, tuple):
            self.conv = MixedConv(channels, width, kernel_size, stride=stride, depthwise=depthwise)
        else:
            groups = channels if depthwise else 1
            geometry = (kernel_size, stride, kernel_size // 2)
            bias = end == "bias"
            self.conv = nn.Conv2d(channels, width, *geometry, groups=groups, bias=bias)
        self.between = between
        self.norm = nn.BatchNorm2d(width, eps=eps) if end == "norm" else None

    def forward(self, x_BCHW: Tensor, share_BE: Tensor | None) -> Tensor:
        """Map (B, C, H, W) to the output."""
        y_BCHW = self.conv(x_BCHW)
        if self.between is not None:
            y_BCHW = self.between(y_BCHW)
        return y_BCHW if self.norm is None else self.norm(y_BCHW)


def conv_maker(experts: int, eps: float, end: str = "norm") -> Callable[..., nn.Module]:
    """Return the function that makes a convolution with its end; with experts, a routed one."""
    if experts:
        return partial(RoutedConv, experts, eps=eps)
    return partial(PlainConv, eps=eps, end=end)


class MobileConv(nn.Module):
    """Expansion, depthwise convolution, squeeze-and-excitation and projection."""

    def __init__(
        self,
        channels: int,
        width: int,
        hidden: int,
        squeeze: nn.Module | None,
        *,
        act: str,
        last_act: str,
        stride: int,
        kernel_size: int,
        experts: int,
        eps: float,
        fused: bool,
        widens: bool,
        parts: tuple[int, int, int] = (1, 1, 1),
        ends: tuple[str, str] = ("norm", "norm"),
        first_act: str = "none",
        early: bool = False,
    ) -> None:
        """Prepare the layers.

        Args:
            channels: Input channels.
            width: Output channels.
            hidden: Channels between expansion and projection.
            squeeze: Squeeze-and-excitation, if there is one.
            act: Name of the activation.
            last_act: Name of the activation after the projection, or ``none``.
            stride: Step of the k x k convolution in pixels.
            kernel_size: Side of the kernel in pixels.
            experts: Kernels that are combined for each image; 0: one kernel for all images.
            eps: Number added to the variance.
            fused: Whether the expansion is the k x k convolution.
            widens: Whether there is an expansion, or, if fused, a projection.
            parts: Parts of the channels that expansion, k x k convolution and projection keep
            apart; the kernels of the second grow by 2 from part to part.
            ends: What follows the convolutions before the projection, and the projection.
            first_act: Name of the activation before everything, or ``none``.
            early: Whether squeeze-and-excitation comes before the norm of the k x k convolution.
        """
        super().__init__()
        make, make_last = (conv_maker(experts, eps, end) for end in ends)
        self.first_act = activation(first_act)
        inside = hidden if widens else width
        before, kernels, after = (tuple([1] * part) if part > 1 else 1 for part in parts)
        if isinstance(kernels, tuple):
            kernels = tuple(kernel_size + 2 * part for part in range(len(kernels)))
        else:
            kernels = kernel_size
        wide = partial(make, **({"between": squeeze} if early else {}))
        if fused:
            self.expand = wide(channels, inside, kernels, stride=stride)
        else:
            self.expand = make(channels, hidden, before) if widens else None
        self.act = activation(act)
        self.dwconv = (
            None if fused else wide(hidden, hidden, kernels, stride=stride, depthwise=True)
        )
        self.squeeze = None if early else squeeze
        self.project = make_last(hidden, width, after) if widens or not fused else None
        self.last_act = activation(last_act)
        self.routing = nn.Linear(channels, experts) if experts else None
        if self.routing is not None:
            bound = 1 / math.sqrt(channels + experts)
            nn.init.uniform_(self.routing.weight, -bound, bound)
            nn.init.zeros_(self.routing.bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the output."""
        share_BE = None
        if self.routing is not None:  # one routing for all three convolutions
            share_BE = self.routing(x_BCHW.mean((2, 3))).sigmoid()
        x_BCHW = self.first_act(x_BCHW)
        for conv in (self.expand, self.dwconv):
            if conv is not None:
                x_BCHW = self.act(conv(x_BCHW, share_BE))
        if self.squeeze is not None:
            x_BCHW = self.squeeze(x_BCHW)
        if self.project is not None:
            x_BCHW = self.last_act(self.project(x_BCHW, share_BE))
        return x_BCHW


@dataclass(frozen=True, kw_only=True)
class MobileConvKnobs(RoundedRatio, Squeezing):
    """Base of the inverted residual of EfficientNet as a mixer and as downsampling."""

    added = (*SQUEEZE_KNOBS, "fused", "whole", "last_activation", *PARTS, *FORMS)

    ratio: Annotated[float, Positive()] = 6.0
    """Ratio of hidden to input channels; at 1 there is no expansion."""
    experts: Annotated[int, EXPERTS] = 0
    """Kernels that are combined for each image, 1 to 64; 0: one kernel for all images."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation after the first two convolutions."""
    eps: Annotated[float, Positive()] = 1e-5
    """Added to the variance in batch norms; 1e-3 in TensorFlow's networks."""
    squeeze: Annotated[bool, YES_NO] = True
    """Whether there is squeeze-and-excitation; in MobileNetV2 and MnasNet-B1 there is none."""
    fused: Annotated[bool, YES_NO] = False
    """Whether one dense convolution replaces expansion and depthwise convolution, as in
    EfficientNet-EdgeTPU and EfficientNetV2; at ratio 1 it has no projection behind it."""
    whole: Annotated[bool, YES_NO] = False
    """Whether no convolution is left out at ratio 1, as in FBNet."""
    last_activation: Annotated[bool, YES_NO] = False
    """Whether an activation follows the projection, as in MobileNetV1 (Howard et al., 2017)."""

    mixed_kernels: Annotated[int, IntRange(1, 5)] = 1
    """Kernels of growing size, ``kernel_size``, ``kernel_size`` + 2, ..., each of an equal part of
    the channels, 1 to 5: MixNet (Tan and Le, MixConv, 2019, arXiv:1907.09595); 1 with experts."""
    expand_parts: Annotated[int, IntRange(1, 2)] = 1
    """Parts of the channels that the expansion maps apart, 1 or 2; 1 with experts."""
    project_parts: Annotated[int, IntRange(1, 2)] = 1
    """Parts of the channels that the projection maps apart, 1 or 2; 1 with experts."""

    inner_norms: Annotated[bool, YES_NO] = True
    """Whether batch norms follow the convolutions before the projection, else biases, as in
    EfficientViT (Cai et al., 2022, arXiv:2205.14756)."""
    after_projection: Annotated[str, AFTER] = "norm"
    """What follows the projection: a batch norm; a bias, as in MaxViT (Tu et al., 2022,
    arXiv:2204.01697), where the block has a norm; or nothing."""
    first_activation: Annotated[bool, YES_NO] = False
    """Whether an activation precedes everything, as in timm's CoAtNets."""
    squeeze_early: Annotated[bool, YES_NO] = False
    """Whether squeeze-and-excitation comes before the norm of the k x k convolution, not after its
    activation."""

    def parts(self, shape: Shape) -> tuple[int, int, int]:
        """Return the parts that expansion, k x k convolution and projection keep apart."""
        widens = self.widens(shape)
        return (
            self.expand_parts if widens and not self.fused else 1,
            self.mixed_kernels,
            self.project_parts if widens or not self.fused else 1,
        )

    def why_invalid(self, shape: Shape, width: int | None = None) -> str | None:
        """Each part must have a channel; experts do not mix kernels, and always have norms."""
        parts, hidden = self.parts(shape), self.hidden(shape)
        alone = self._why_exclusive(self.canonical(shape))
        if alone is not None:
            return alone
        mapped = shape.channels if self.fused else min(shape.channels, hidden)
        least = min(mapped, hidden, width or shape.channels)
        if max(parts) > least:
            return f"each part must have a channel, but got {max(parts)} parts of {least} channels"
        return super().why_invalid(shape, width)

    @staticmethod
    def _why_exclusive(knobs: "MobileConvKnobs") -> str | None:
        """Return which experts, parts and forms of canonical knobs exclude each other, or None."""
        forms = [name for name in FORMS if getattr(knobs, name) != getattr(MobileConvKnobs, name)]
        parts = [name for name in PARTS if getattr(knobs, name) > 1]
        if forms:
            rival = f"{forms[0]} {getattr(knobs, forms[0])}"
            if knobs.experts:
                return f"experts must be 0 with {rival}, but got {knobs.experts}"
        elif knobs.experts:
            rival = f"experts {knobs.experts}"
        else:
            return None
        if parts:
            return f"{parts[0]} must be 1 with {rival}, but got {getattr(knobs, parts[0])}"
        return None

    def widens(self, shape: Shape) -> bool:
        """Whether there is an expansion, or, if fused, a projection."""
        return self.whole or self.hidden(shape) != shape.channels

    def canonical(self, shape: Shape) -> Self:
        """Round the ratios to whole channels; reset knobs without effect."""
        projects = not self.fused or self.widens(shape)
        normed = self.inner_norms or (projects and self.after_projection == "norm")
        return replace(
            super().canonical(shape),
            eps=self.eps if normed else MobileConvKnobs.eps,
            whole=self.whole and self.hidden(shape) == shape.channels,
            last_activation=self.last_activation and projects,
            after_projection=self.after_projection if projects else "norm",
            squeeze_early=self.squeeze_early and self.squeeze,
            expand_parts=self.parts(shape)[0],
            project_parts=self.parts(shape)[2],
        )

    def conv(self, shape: Shape, width: int, kernel_size: int, stride: int) -> nn.Module:
        """Build the module."""
        widens, hidden = self.widens(shape), self.hidden(shape)
        inside = width if self.fused and not widens else hidden
        module = MobileConv(
            shape.channels,
            width,
            hidden,
            self.squeezing(inside, shape),
            act=self.activation,
            last_act=self.activation if self.last_activation else "none",
            stride=stride,
            kernel_size=kernel_size,
            experts=self.experts,
            eps=self.eps,
            fused=self.fused,
            widens=widens,
            parts=self.parts(shape),
            ends=("norm" if self.inner_norms else "bias", self.after_projection),
            first_act=self.activation if self.first_activation else "none",
            early=self.squeeze_early and self.squeeze,
        )
        return fan_out_start(module)


@dataclass(frozen=True, kw_only=True)
class MbConv(MobileConvKnobs, ClippedKernel, TokenMixer):
    """The inverted residual of EfficientNet, or, with experts, of CondConv.

    Tan and Le, EfficientNet, 2019, section 4; Yang et al., CondConv, 2019, section 3.2: one routing
    for its three convolutions. Squeeze-and-excitation has a quarter of the input's channels; in
    MobileNetV3 (Howard et al., 2019, arXiv:1905.02244) a quarter of the hidden ones. EfficientNetV2
    (Tan and Le, 2021, arXiv:2104.00298, figure 2) has the fused form too.
    """

    name = "mb_conv"
    traits = Traits(
        catalogue=("M11",),
        paper="Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural "
        "Networks, 2019, arXiv:1905.11946; Yang et al., CondConv: Conditionally Parameterized "
        "Convolutions for Efficient Inference, 2019, arXiv:1904.04971",
        code="tensorflow/tpu",
        reach="global",
        weights="input-dependent",
        cost="N k^2",
    )

    kernel_size: Annotated[int, KERNEL] = 3
    """Side of the kernel in pixels, odd, 1 to 31."""

    def canonical(self, shape: Shape) -> Self:
        """As in the base; of several kernels, the smallest is not clipped."""
        found = super().canonical(shape)
        return replace(found, kernel_size=self.kernel_size) if self.mixed_kernels > 1 else found

    def build(self, shape: Shape) -> nn.Module:
        """Build the module."""
        return self.conv(shape, shape.channels, self.kernel_size, 1)


@dataclass(frozen=True, kw_only=True)
class MbConvDownsampling(MobileConvKnobs, Downsampling):
    """EfficientNet's inverted residual for the start of a stage, without a residual.

    Tan and Le, EfficientNet, 2019, arXiv:1905.11946; see ``mb_conv``. Zero padding is equal on both
    sides; TensorFlow has none on the left where the map's side is even.
    """

    name = "mb_conv"

    kernel_size: Annotated[int, Choice((1, 3, 5, 7))] = 3
    """Side of the kernel in pixels, odd, 1 to 7."""
    stride: Annotated[int, Choice((1, 2))] = 2
    """Step in pixels; 1 changes only the channels."""

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output: halves, rounded up."""
        return -(-height // self.stride), -(-width // self.stride)

    def build(self, shape: Shape, width: int) -> nn.Module:
        """Build the module."""
        return self.conv(shape, width, self.kernel_size, self.stride)
