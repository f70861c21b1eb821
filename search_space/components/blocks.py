"""Blocks: the repeated unit of a stage, wired from mixers, norms and residuals."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Self

from ..domains import YES_NO, IntRange
from ..shapes import Shape
from .activations import ACTIVATION
from .active import ActiveBlock
from .base import ChannelMixer, Component, Norm, TokenMixer, table_of
from .channel_mixers.mlp import Mlp
from .channel_mixers.normed import NormedMlp
from .channel_mixers.response import GrnMlp
from .cross_scale import CrossBranchBlock, CrossScaleBlock
from .forward_cross import ForwardCrossBlock
from .fusion import Fuse, Project
from .lookup import LookupBlock
from .mixers.additive import LocalIntegration
from .mixers.bottleneck import BottleneckConv
from .mixers.context_mixing import GuidedContMix
from .mixers.convolution import SeparableConv
from .mixers.large_small import RepDepthwiseConv
from .norms import LayerNorm
from .overview_parts import LocalResidual, Refresh
from .residuals import ActivatedResidual, PlainResidual
from .scale_attention import DuoBlock
from .wired import Block, Residual

if TYPE_CHECKING:
    from .parts import PartList


@dataclass(frozen=True, kw_only=True)
class MetaFormerBlock(Block):
    """Token mixer and channel mixer, each with a norm and with a residual of its own.

    Yu et al., MetaFormer Is Actually What You Need for Vision, 2022, equations 2 and 3; with
    attention it is the pre-norm transformer block. With the norms after the mixers it is that of
    Swin V2 (Liu et al., 2021, arXiv:2111.09883) and of the large FocalNets.
    """

    name = "metaformer"
    catalogue = ("M39",)

    mixer: TokenMixer = field(default_factory=SeparableConv)
    """Token mixer."""
    channel_mixer: ChannelMixer = field(default_factory=Mlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before each mixer, or after it."""
    post_norm: Annotated[bool, YES_NO] = False
    """Whether the norms come after the mixers."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around each mixer and its norm."""

    def canonical(self, shape: Shape) -> Self:
        """Without norms, ``post_norm`` has no effect."""
        return replace(self, post_norm=False) if self.norm.is_identity else self

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the two halves; the second is left out if the channel mixer is ``none``."""
        branch = self._normed(parts, "1", "mixer", self.mixer, stream)
        stream = self.residual.wire(parts, "residual1", stream, branch)
        if self.channel_mixer.is_identity:
            return stream
        branch = self._normed(parts, "2", "channel_mixer", self.channel_mixer, stream)
        return self.residual.wire(parts, "residual2", stream, branch)

    def _normed(
        self, parts: "PartList", half: str, name: str, mixer: Component, stream: str
    ) -> str:
        """Add a mixer and its norm."""
        if self.post_norm:
            branch = parts.add(name, mixer, stream)
            return parts.add(f"norm{half}", self.norm, branch)
        branch = parts.add(f"norm{half}", self.norm, stream)
        return parts.add(name, mixer, branch)


@dataclass(frozen=True, kw_only=True)
class IntegrationBlock(MetaFormerBlock):
    """A MetaFormer block behind one more token mixer without a norm (Zhang et al., CAS-ViT, 2024).

    arXiv:2408.03703: the first mixer is local, the second one global.
    """

    name = "integration"
    catalogue = ("M08",)

    local: TokenMixer = field(default_factory=LocalIntegration)
    """Local token mixer, before the rest of the block."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the local mixer with a residual of its own, then the other two."""
        if not self.local.is_identity:
            branch = parts.add("local", self.local, stream)
            stream = self.residual.wire(parts, "residual0", stream, branch)
        return super().wire(parts, stream)


@dataclass(frozen=True, kw_only=True)
class ConvNeXtBlock(Block):
    """Token mixer, norm and channel mixer in a row, with one residual around all three.

    Liu et al., A ConvNet for the 2020s, 2022, figure 4; also the block of InceptionNeXt (Yu et
    al., 2023).
    """

    name = "convnext"
    catalogue = ("B01",)

    mixer: TokenMixer = field(default_factory=SeparableConv)
    """Token mixer."""
    channel_mixer: ChannelMixer = field(default_factory=Mlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm between the two mixers."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around both mixers."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add mixer, norm and channel mixer, and one residual."""
        branch = parts.add("mixer", self.mixer, stream)
        branch = parts.add("norm", self.norm, branch)
        branch = parts.add("channel_mixer", self.channel_mixer, branch)
        return self.residual.wire(parts, "residual", stream, branch)


@dataclass(frozen=True, kw_only=True)
class ChannelBlock(Block):
    """Norm, channel mixer and residual: a block without a token mixer.

    The early stages of LIT (Pan et al., Less is More: Pay Less Attention in Vision Transformers,
    2021, arXiv:2105.14217, equation 3) have such blocks, with perceptrons.
    """

    name = "channel"
    catalogue = ("M34",)

    channel_mixer: ChannelMixer = field(default_factory=Mlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before it."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around norm and channel mixer."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add norm and channel mixer, and one residual."""
        branch = parts.add("norm", self.norm, stream)
        branch = parts.add("channel_mixer", self.channel_mixer, branch)
        return self.residual.wire(parts, "residual", stream, branch)


@dataclass(frozen=True, kw_only=True)
class ResidualBlock(Block):
    """One token mixer and its residual, without a norm of the block's own.

    With ``bottleneck_conv`` or ``basic_conv`` and an activated residual it is ResNet's block (He
    et al., 2016, figure 5). MobileNetV2's is ``channel`` with ``inverted_residual`` and no norm.
    """

    name = "residual"

    mixer: TokenMixer = field(default_factory=BottleneckConv)
    """Mixer of positions and channels."""
    residual: Residual = field(default_factory=ActivatedResidual)
    """Residual around the mixer."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the mixer and its residual."""
        branch = parts.add("mixer", self.mixer, stream)
        return self.residual.wire(parts, "residual", stream, branch)


@dataclass(frozen=True, kw_only=True)
class NoBlock(Block):
    """No operation: a stage of this block is its downsampling alone."""

    name = "none"

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add nothing."""
        return stream


@dataclass(frozen=True, kw_only=True)
class RepVitBlock(Block):
    """A token mixer that replaces the stream, then a channel mixer with its residual.

    Wang et al., RepViT, 2023, arXiv:2307.09283, figure 3, and LSNet, 2025, figure 4: the token
    mixer carries a residual of its own and folds; norms are in the mixers.
    """

    name = "repvit"

    mixer: TokenMixer = field(default_factory=RepDepthwiseConv)
    """Token mixer."""
    channel_mixer: ChannelMixer = field(default_factory=NormedMlp)
    """Channel mixer."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around the channel mixer."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the token mixer, the channel mixer, and one residual."""
        stream = parts.add("mixer", self.mixer, stream)
        if self.channel_mixer.is_identity:
            return stream
        branch = parts.add("channel_mixer", self.channel_mixer, stream)
        return self.residual.wire(parts, "residual", stream, branch)


@dataclass(frozen=True, kw_only=True)
class SingleResidualBlock(Block):
    """Two mixers, each with a norm before, and one residual around both.

    Rao et al., GFNet, 2021, arXiv:2107.00645, figure 2; the other way round in AFFNet (Huang et
    al., 2023, arXiv:2307.14008, section 3.3).
    """

    name = "single_residual"

    mixer: TokenMixer = field(default_factory=SeparableConv)
    """Token mixer."""
    channel_mixer: ChannelMixer = field(default_factory=Mlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before each mixer."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around both mixers."""
    channels_first: Annotated[bool, YES_NO] = False
    """Whether the channel mixer comes before the token mixer."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add norm and mixer twice, and one residual."""
        mixers = [("mixer", self.mixer), ("channel_mixer", self.channel_mixer)]
        branch = stream
        for number, (name, mixer) in enumerate(reversed(mixers) if self.channels_first else mixers):
            branch = parts.add(f"norm{number + 1}", self.norm, branch)
            branch = parts.add(name, mixer, branch)
        return self.residual.wire(parts, "residual", stream, branch)


@dataclass(frozen=True, kw_only=True)
class FusionBlock(SingleResidualBlock):
    """Several blocks in a row and a norm, whose output is fused with the input.

    A 1x1 convolution follows the norm, and another one fuses output and input: Mehta and Rastegari,
    MobileViT, 2021, arXiv:2110.02178, figure 1, as AFFNet has it (Huang et al., 2023,
    arXiv:2307.14008; in its reference code without the local convolution).
    """

    name = "fusion"

    depth: Annotated[int, IntRange(1, 32)] = 2
    """Blocks inside, 1 to 32."""
    fuse: Annotated[bool, YES_NO] = True
    """Whether the input is fused with the output."""
    activation: Annotated[str, ACTIVATION] = "silu"
    """Activation of the fusion."""

    def canonical(self, shape: Shape) -> Self:
        """Without the fusion, the activation has no effect."""
        return self if self.fuse else replace(self, activation="silu")

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the blocks inside, then norm, convolution and fusion."""
        branch = stream
        for number in range(self.depth):
            with parts.within(f"inner.{number}"):
                branch = super().wire(parts, branch)
        branch = parts.add("norm", self.norm, branch)
        branch = parts.add("project", Project(), branch)
        if not self.fuse:
            return branch
        return parts.add("fuse", Fuse(activation=self.activation), stream, branch)


@dataclass(frozen=True, kw_only=True)
class LocalBlock(ConvNeXtBlock):
    """Norm, token mixer and channel mixer behind a depthwise convolution with a residual.

    Lou and Yu, OverLoCK, 2025, arXiv:2502.20087, figure 3: the block of its Base-Net and
    Overview-Net; one residual around all three.
    """

    name = "local"
    catalogue = ("M45",)

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the convolution, norm, both mixers, and one residual."""
        stream = parts.add("local", LocalResidual(), stream)
        branch = parts.add("norm", self.norm, stream)
        branch = parts.add("mixer", self.mixer, branch)
        branch = parts.add("channel_mixer", self.channel_mixer, branch)
        return self.residual.wire(parts, "residual", stream, branch)


@dataclass(frozen=True, kw_only=True)
class GuidedBlock(Block):
    """A MetaFormer block to which a guide is added, with a depthwise convolution before each half.

    Lou and Yu, OverLoCK, 2025, arXiv:2502.20087, figure 3: the block of its Focus-Net. In an
    architecture with an overview, the guide is added to the last channels of the block's input.
    """

    name = "guided"
    catalogue = ("M45",)

    mixer: TokenMixer = field(default_factory=GuidedContMix)
    """Token mixer."""
    channel_mixer: ChannelMixer = field(default_factory=GrnMlp)
    """Channel mixer."""
    norm: Norm = field(default_factory=LayerNorm)
    """Norm before each mixer."""
    residual: Residual = field(default_factory=PlainResidual)
    """Residual around each mixer."""
    refresh: Annotated[bool, YES_NO] = True
    """Whether the guide is added first; False if the guide has just been concatenated."""

    def wire(self, parts: "PartList", stream: str) -> str:
        """Add the guide and the two halves."""
        if self.refresh and parts.guide is not None:
            width = parts.shape(parts.guide).channels
            stream = parts.add("refresh", Refresh(), stream, parts.guide, width=width)
        stream = parts.add("local1", LocalResidual(), stream)
        branch = parts.add("norm1", self.norm, stream)
        branch = parts.add("mixer", self.mixer, branch)
        stream = self.residual.wire(parts, "residual1", stream, branch)
        if self.channel_mixer.is_identity:
            return stream
        stream = parts.add("local2", LocalResidual(), stream)
        branch = parts.add("norm2", self.norm, stream)
        branch = parts.add("channel_mixer", self.channel_mixer, branch)
        return self.residual.wire(parts, "residual2", stream, branch)


BLOCKS = table_of(
    MetaFormerBlock,
    IntegrationBlock,
    ConvNeXtBlock,
    ChannelBlock,
    ResidualBlock,
    NoBlock,
    RepVitBlock,
    SingleResidualBlock,
    FusionBlock,
    LocalBlock,
    GuidedBlock,
    LookupBlock,
    ForwardCrossBlock,
    CrossScaleBlock,
    CrossBranchBlock,
    DuoBlock,
    ActiveBlock,
)
