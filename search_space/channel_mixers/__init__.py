"""Channel mixers: one table, one class and one line each."""

from ..base import table_of
from .glu import ConvGlu, Glu
from .kan import Kan
from .mlp import ConvMlp, Mlp, NoChannelMixer

CHANNEL_MIXERS = table_of(
    Mlp,
    ConvMlp,
    Glu,
    ConvGlu,
    Kan,
    NoChannelMixer,
)
