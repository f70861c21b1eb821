"""Token mixers: one table, one class and one line each; a file a family."""

from ..base import table_of
from .attention import Attention
from .convolution import InceptionConv, LargeKernelConv, SeparableConv
from .mlp import TokenMlp
from .trivial import IdentityMixer, Pooling, RandomMixing

MIXERS = table_of(
    IdentityMixer,
    Pooling,
    RandomMixing,
    SeparableConv,
    LargeKernelConv,
    InceptionConv,
    Attention,
    TokenMlp,
)
