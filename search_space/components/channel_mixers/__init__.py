"""The table of channel mixers."""

from ..base import table_of
from .conv_first import ConvFirstMlp
from .edge import EdgeMlp
from .glu import ConvGlu, Glu
from .inverted import InvertedResidual
from .kan import BasisKan, Kan
from .mlp import ConvMlp, Mlp, NoChannelMixer, ShortcutConvMlp
from .normed import NormedMlp, PartialAttentionMlp
from .response import GrnMlp
from .wave import WaveMixer

CHANNEL_MIXERS = table_of(
    Mlp,
    ConvMlp,
    ShortcutConvMlp,
    ConvFirstMlp,
    Glu,
    ConvGlu,
    Kan,
    BasisKan,
    NoChannelMixer,
    NormedMlp,
    PartialAttentionMlp,
    GrnMlp,
    WaveMixer,
    EdgeMlp,
    InvertedResidual,
)
