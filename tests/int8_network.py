"""A small network with dense and depthwise convolutions, for tests of int8."""

from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.convolution import SeparableConv
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.shapes import Shape

NETWORK = Architecture(
    input=Shape(3, 8, 8),
    classes=4,
    stem=ConvStem(norm=NoNorm(), bias=True),
    stages=(
        Stage(
            width=8,
            depth=1,
            blocks=(
                MetaFormerBlock(
                    mixer=SeparableConv(kernel_size=3), channel_mixer=Mlp(), norm=NoNorm()
                ),
            ),
        ),
    ),
    head=PooledHead(),
)
