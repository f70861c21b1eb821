"""Rules that divide the growth of a network among depth, width and resolution."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from .errors import InputError, known_name


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Factors on the numbers of a network."""

    depth: float = 1.0
    """On the number of blocks of each stage."""
    width: float = 1.0
    """On the channels of each stage."""
    resolution: float = 1.0
    """On the side of the images."""


@dataclass(frozen=True, kw_only=True)
class ScalingRule:
    """How growth is divided among depth, width and resolution.

    Multiply-adds grow as depth x width^2 x resolution^2. A growth ``g`` gives the depth the factor
    ``g^s`` for its share ``s``, and width and resolution ``g^(s/2)`` for theirs.
    """

    name: str
    """The name on the command line."""
    depth: float
    """Share of the depth, from 0 to 1; the three shares have the sum 1."""
    width: float
    """Share of the width."""
    resolution: float
    """Share of the resolution."""
    source: str
    """What the rule does, and its paper."""
    kept: tuple[float, float] | None = None
    """Shares of depth and width where the resolution is kept; None: the rule scales it alone."""

    def keeping_resolution(self) -> "ScalingRule":
        """Return the rule for images that keep their size.

        Raises:
            InputError: If the rule scales the resolution alone.
        """
        if not self.resolution:
            return self
        if self.kept is None:
            raise InputError(
                f"a rule for images of one size must scale depth or width, but got {self.name}"
            )
        depth, width = self.kept
        return replace(self, depth=depth, width=width, resolution=0.0)

    def factors(self, growth: float, aspect: float = 1.0) -> Factors:
        """Return the factors for a growth.

        Args:
            growth: Natural logarithm of the growth.
            aspect: Factor on depth by width, at equal multiply-adds.
        """
        return Factors(
            depth=math.exp(growth * self.depth) * aspect ** (2 / 3),
            width=math.exp(growth * self.width / 2) * aspect ** (-1 / 3),
            resolution=math.exp(growth * self.resolution / 2),
        )


def _of_bases(depth: float, width: float, resolution: float) -> tuple[float, float, float]:
    """Return the shares of factors at the same growth."""
    parts = (math.log(depth), 2 * math.log(width), 2 * math.log(resolution))
    return parts[0] / sum(parts), parts[1] / sum(parts), parts[2] / sum(parts)


_EFFICIENTNET = _of_bases(1.2, 1.1, 1.15)

_RULES = (
    ScalingRule(
        name="compound",
        depth=_EFFICIENTNET[0],
        width=_EFFICIENTNET[1],
        resolution=_EFFICIENTNET[2],
        kept=_of_bases(1.2, 1.1, 1.0)[:2],
        source="depth, width and resolution by 1.2, 1.1 and 1.15 to one power (Tan and Le, "
        "EfficientNet, 2019, arXiv:1905.11946, equation 3)",
    ),
    ScalingRule(
        name="width",
        depth=0.1,
        width=0.8,
        resolution=0.1,
        kept=(0.2, 0.8),
        source="mostly the width, so that activations grow nearly as the square root of the MACs "
        "(Dollar, Singh and Girshick, Fast and Accurate Model Scaling, 2021, arXiv:2103.06877: "
        "dWr and dW with alpha 0.8)",
    ),
    ScalingRule(name="depth", depth=1.0, width=0.0, resolution=0.0, source="the depth alone"),
    ScalingRule(
        name="aspect",
        depth=1 / 3,
        width=2 / 3,
        resolution=0.0,
        source="depth and width by one factor, so that depth by width, the aspect ratio, is kept "
        "(Roberts, Yaida and Hanin, The Principles of Deep Learning Theory, 2022, "
        "arXiv:2106.10165), or changed by --aspect (Zagoruyko and Komodakis, Wide Residual "
        "Networks, 2016, arXiv:1605.07146; Brown et al., Wide Attention, 2022, arXiv:2210.00640)",
    ),
    ScalingRule(
        name="resolution",
        depth=0.0,
        width=0.0,
        resolution=1.0,
        source="the size of the images alone",
    ),
)

RULES: Mapping[str, ScalingRule] = MappingProxyType({each.name: each for each in _RULES})
"""The rules by name."""


def read_rules(text: str) -> tuple[ScalingRule, ...]:
    """Return the rules of a list of names with commas, or all of them for ``all``.

    Raises:
        InputError: If a name is unknown.
    """
    if text.strip() == "all":
        return _RULES
    names = [each.strip() for each in text.split(",")]
    return tuple(RULES[known_name("scaling rule", each, RULES)] for each in dict.fromkeys(names))


def read_aspect(text: str) -> float:
    """Return the factor on depth by width.

    Raises:
        InputError: If it is not a number from 0.01 to 100.
    """
    try:
        aspect = float(text)
    except ValueError:
        aspect = math.nan
    if not 0.01 <= aspect <= 100:
        raise InputError(f"aspect must be a number from 0.01 to 100, but got {text!r}")
    return aspect
