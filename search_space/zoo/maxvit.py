"""MaxViT (Tu et al., Multi-Axis Vision Transformer, 2022, arXiv:2204.01697, table 1), as in timm.

The networks with ``rw`` in their names are timm's own. Linear maps of attention and perceptrons
start with a deviation of 0.02, in timm with Glorot's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..architecture.architecture import Architecture
from ..components.blocks import MetaFormerBlock
from ..components.channel_mixers.mlp import Mlp
from ..components.mixers.windowed import GridAttention, WindowAttention
from ..components.norms import LayerNorm
from ..components.residuals import LayerScaleResidual, PlainResidual
from ..components.wired import Block
from .coatnet import Convs, halving, head
from .entry import TIMM, ZooEntry, all_with_norms, entries_of


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What networks of one kind have in common."""

    convs: Convs
    """The inverted residuals."""
    eps: float = 1e-6
    """Number added to the variance in layer norms."""
    activation: str = "gelu"
    """Activation of the perceptrons."""
    position: str = "bias"
    """What is added to the scores by the offset."""
    scaled: bool = False
    """Whether residuals of attention and perceptrons have a layer scale."""
    stem_bias: bool = False
    """Whether the convolutions of the stem have a bias."""

    def attention(self, window: int) -> list[Block]:
        """Return attention in windows, and on grids, each with a perceptron behind it."""
        mixers = (
            WindowAttention(window_height=window, window_width=window, position=self.position),
            GridAttention(grid_size=window, position=self.position),
        )
        return [
            MetaFormerBlock(
                mixer=mixer,
                channel_mixer=Mlp(ratio=4, activation=self.activation),
                norm=LayerNorm(eps=self.eps),
                residual=LayerScaleResidual(init=1e-6) if self.scaled else PlainResidual(),
            )
            for mixer in mixers
        ]


_PAPER = Kind(
    convs=Convs(activation="gelu_tanh", eps=1e-3),
    eps=1e-5,
    activation="gelu_tanh",
    stem_bias=True,
)
_OWN_CONVS = Convs(activation="silu", from_output=False, squeeze=1 / 16, biased=False)
_OWN = Kind(convs=_OWN_CONVS)
_LOG = Kind(convs=_OWN_CONVS, position="log_perceptron")
_SCALED = Kind(convs=_OWN_CONVS, position="log_perceptron", scaled=True)

_SHORT, _LONG = (2, 2, 5, 2), (2, 6, 14, 2)

# Size: width of the first stage, depths, channels of the stem; printed figures for images of 224,
# 384 and 512 pixels.
_FIGURES = {
    "tiny": (64, _SHORT, 64, "30.92M 5.6G", "30.98M 17.53G", "31.05M 33.49G"),
    "small": (96, _SHORT, 64, "68.93M 11.66G", "69.02M 35.87G", "69.13M 67.26G"),
    "base": (96, _LONG, 64, "119.47M 24.04G", "119.65M 73.8G", "119.88M 138.02G"),
    "large": (128, _LONG, 128, "211.79M 43.68G", "212.03M 132.55G", "212.33M 244.75G"),
    "xlarge": (192, _LONG, 192, "- 97.52G", "475.32M 292.78G", "475.77M 534.14G"),
}

_SIZES = {
    f"maxvit_{size}_tf_{resolution}": (
        *(width, depths, (stem, stem), _PAPER, 8 * width, resolution, printed),
    )
    for size, (width, depths, stem, *figures) in _FIGURES.items()
    for resolution, printed in zip((224, 384, 512), figures, strict=True)
}

# Name: width of the first stage, depths, channels of the stem, kind, features, resolution, figures.
_OTHERS = {
    "maxvit_pico_rw_256": (32, _SHORT, (24, 32), _OWN, 0, 256, "7.46M 1.83G"),
    "maxvit_nano_rw_256": (64, (1, 2, 3, 1), (32, 64), _OWN, 0, 256, "15.45M 4.46G"),
    "maxvit_tiny_rw_224": (64, _SHORT, (32, 64), _OWN, 0, 224, "29.06M 5.11G"),
    "maxvit_tiny_rw_256": (64, _SHORT, (32, 64), _OWN, 0, 256, "29.07M 6.74G"),
    "maxvit_rmlp_pico_rw_256": (32, _SHORT, (24, 32), _LOG, 0, 256, "7.52M 1.85G"),
    "maxvit_rmlp_nano_rw_256": (64, (1, 2, 3, 1), (32, 64), _LOG, 0, 256, "15.5M 4.47G"),
    "maxvit_rmlp_tiny_rw_256": (64, _SHORT, (32, 64), _LOG, 0, 256, "29.15M 6.77G"),
    "maxvit_rmlp_small_rw_224": (96, _SHORT, (32, 64), _SCALED, 0, 224, "64.9M 10.75G"),
    "maxvit_rmlp_small_rw_256": (96, _SHORT, (32, 64), _SCALED, 0, 256, "64.9M 14.15G"),
    "maxvit_rmlp_base_rw_224": (96, _LONG, (32, 64), _LOG, 768, 224, "116.14M 23.15G"),
    "maxvit_rmlp_base_rw_384": (96, _LONG, (32, 64), _LOG, 768, 384, "116.14M 70.97G"),
}

_NOTES = (
    dict.fromkeys(_SIZES, "the printed MACs hold the norms, and products that look up positions")
    | dict.fromkeys(
        (name for name in _OTHERS if "rmlp" in name),
        "the printed MACs hold the norms, and the perceptron's two maps of each offset",
    )
    | all_with_norms(
        {
            "maxvit_tiny_tf_224": "5.592G",
            "maxvit_pico_rw_256": "1.830G",
            "maxvit_nano_rw_256": "4.456G",
            "maxvit_tiny_rw_224": "5.110G",
            "maxvit_tiny_rw_256": "6.745G",
        }
    )
    | {"maxvit_xlarge_tf_224": "timm's parameters are for 21,841 classes; its MACs hold the norms"}
)


def maxvit(
    width: int,
    depths: Sequence[int],
    stem: tuple[int, int],
    kind: Kind,
    features: int,
    resolution: int,
) -> Architecture:
    """Return a MaxViT; a window has a 32nd of the image's side in pixels, and so has a grid.

    Args:
        width: Channels of the first stage; each stage has twice as many as the one before.
        depths: Blocks of each stage, each an inverted residual and two of attention.
        stem: Channels after both convolutions of the stem.
        kind: What networks of this kind have in common.
        features: Channels before the classifier; 0: no map before it.
        resolution: Side of the images in pixels, a multiple of 32.
    """
    widths = [width << number for number in range(4)]
    attention = kind.attention(resolution // 32)
    convs = kind.convs
    return halving(
        convs.stem(stem[0], biased=kind.stem_bias),
        (stem[1], *widths),
        [
            [*attention, *[convs.block(each), *attention] * (depth - 1)]
            for each, depth in zip(widths, depths, strict=True)
        ],
        [convs.downsampling(*pair) for pair in zip((stem[1], *widths), widths, strict=False)],
        head(features, LayerNorm(eps=kind.eps)),
        resolution,
    )


def entries() -> Iterator[ZooEntry]:
    """Yield the published sizes."""
    yield from entries_of("MaxViT", maxvit, _SIZES, source=TIMM, notes=_NOTES, alias=_paper)
    yield from entries_of("MaxViT", maxvit, _OTHERS, source=TIMM, notes=_NOTES)


def _paper(name: str) -> str:
    """Return the paper's name of a network."""
    _, size, _, resolution = name.split("_")
    letter = "XL" if size == "xlarge" else size[0].upper()
    return f"MaxViT-{letter}" + f"-{resolution}" * (resolution != "224")
