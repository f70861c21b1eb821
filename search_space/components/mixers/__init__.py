"""The table of token mixers; each family of mixers has a file."""

from ..base import table_of
from .additive import ConvAdditiveMixer, LocalIntegration
from .aggregated import AggregatedAttention
from .attention import Attention, RelativeAttention
from .bottleneck import BasicConv, BottleneckConv
from .cascaded import CascadedAttention, SingleHeadAttention
from .chunked_attention import TemporalChunkedAttention
from .combiner import Combiner
from .conditional import CondConv, TunableConv
from .context_mixing import ContMix, DilatedSqueezeConv, GuidedContMix
from .context_sharing import ContextSharing
from .conv_attention import ConvAttention
from .convolution import (
    InceptionConv,
    LargeKernelConv,
    LocalPatchInteraction,
    SeparableConv,
)
from .criss_cross import CrissCrossAttention
from .datapoints import DatapointAttention
from .deformable import DeformableConv
from .distilled import DistilledHyena
from .feed_forward import FeedForwardMixer
from .ffnified import FfnifiedAttention
from .focal import FocalModulation
from .frequency import AdaptiveFrequencyFilter, FourierMixing, GlobalFilter
from .gated import GatedLinearMixer, LargeKernelAttention
from .gated_linear_attention import GatedLinearAttention
from .gated_mlp import GatedMlpMixer, MixerGated, MultiAxisMlp
from .gated_position import GatedPositionalAttention
from .gathering import SemanticGathering
from .gaussian_mixture import GaussianMixtureConv
from .ghost import GhostMixer
from .halo_bottleneck import HaloBottleneck
from .hybrid import HybridWindowAttention
from .hyena import Hyena
from .hyper_kernel import HyperZzw
from .kan import KanConv
from .large_small import LsConv, RepDepthwiseConv
from .latents import LatentAttention
from .learnable_spacing import LearnableSpacingConv
from .length_scaled import LengthScaledAttention
from .levit import LevitAttention
from .light import DynamicConv, LightConv
from .long_conv import LongConv
from .mb_conv import MbConv
from .mlp import TokenLinear, TokenMlp
from .mobilevit import MobileVitMixer
from .modulation import ConvModulation
from .multi_order import MultiOrderConv
from .multi_query import MultiQueryAttention
from .multi_scale_linear import MultiScaleLinearAttention
from .neighbourhood import NeighbourhoodMixer
from .one_way import OneWayConv
from .orchid import Orchid
from .partial import PartialChannelAttention, PartialConv, PartialSelfAttention
from .past_gate import ParallelGate
from .pooled import PooledAttention
from .raft import RaftMlp
from .recurrent import Recurrent
from .recursive import RecursiveConv
from .recursive_gate import RecursiveGatedConv, RecursiveGatedFilter
from .rep_conv import RepConv
from .reparam import DilatedReparamConv, ReparamLargeKernel
from .rotated import RotatedConv
from .selective_scan import SelectiveScanMixer
from .shift import AxialShift, CycleMlp
from .simplified_linear import SimplifiedLinearAttention
from .slots import SlotAttention
from .softmax_free import SoftmaxFreeAttention
from .sparse_hybrid import SparseHybrid
from .spatial_state import SpatialStateSpace
from .star import StarMixer
from .stride_attention import StrideAttention
from .structured_global_conv import StructuredGlobalConv
from .translation_variant import TvConv
from .transposed import CrossCovarianceAttention, TransposedAttention
from .trivial import IdentityMixer, MaxPooling, Pooling, RandomMixing
from .universal_inverted import UniversalInverted
from .windowed import (
    GridAttention,
    HaloAttention,
    IntervalAttention,
    StripeAttention,
    WindowAttention,
)

MIXERS = table_of(
    IdentityMixer,
    Pooling,
    RandomMixing,
    SeparableConv,
    LargeKernelConv,
    InceptionConv,
    LocalPatchInteraction,
    LearnableSpacingConv,
    CondConv,
    MbConv,
    TunableConv,
    RotatedConv,
    LightConv,
    DynamicConv,
    DeformableConv,
    KanConv,
    TvConv,
    ContMix,
    GuidedContMix,
    DilatedSqueezeConv,
    LsConv,
    RepDepthwiseConv,
    HyperZzw,
    GaussianMixtureConv,
    RecursiveConv,
    Attention,
    RelativeAttention,
    LevitAttention,
    WindowAttention,
    GridAttention,
    IntervalAttention,
    StripeAttention,
    HaloAttention,
    NeighbourhoodMixer,
    PooledAttention,
    CascadedAttention,
    SingleHeadAttention,
    MobileVitMixer,
    GatedPositionalAttention,
    AggregatedAttention,
    ConvAttention,
    HybridWindowAttention,
    LatentAttention,
    DatapointAttention,
    CrissCrossAttention,
    SoftmaxFreeAttention,
    SlotAttention,
    TransposedAttention,
    CrossCovarianceAttention,
    ContextSharing,
    SemanticGathering,
    TokenMlp,
    RecursiveGatedConv,
    RecursiveGatedFilter,
    LargeKernelAttention,
    GatedLinearMixer,
    ConvAdditiveMixer,
    LocalIntegration,
    FfnifiedAttention,
    FocalModulation,
    StarMixer,
    TokenLinear,
    RaftMlp,
    GatedMlpMixer,
    MultiAxisMlp,
    MixerGated,
    FeedForwardMixer,
    CycleMlp,
    AxialShift,
    GlobalFilter,
    FourierMixing,
    AdaptiveFrequencyFilter,
    PartialConv,
    PartialChannelAttention,
    PartialSelfAttention,
    MaxPooling,
    OneWayConv,
    ReparamLargeKernel,
    DilatedReparamConv,
    RepConv,
    UniversalInverted,
    GhostMixer,
    ConvModulation,
    MultiOrderConv,
    BasicConv,
    BottleneckConv,
    LongConv,
    StructuredGlobalConv,
    Hyena,
    Orchid,
    GatedLinearAttention,
    Recurrent,
    SelectiveScanMixer,
    SpatialStateSpace,
    SimplifiedLinearAttention,
    DistilledHyena,
    ParallelGate,
    TemporalChunkedAttention,
    SparseHybrid,
    Combiner,
    MultiQueryAttention,
    MultiScaleLinearAttention,
    StrideAttention,
    LengthScaledAttention,
    HaloBottleneck,
)
