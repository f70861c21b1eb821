"""Published architectures as values, with the figures that their papers print."""

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import unknown_name
from . import (
    affnet,
    casvit,
    condconv,
    conv2former,
    convnext,
    convnext_dcls,
    convnext_v2,
    fasternet,
    ffnet,
    focalnet,
    gfnet,
    gmlp,
    hornet,
    lit,
    lsnet,
    metaformer,
    mlp_mixer,
    overlock,
    raftmlp,
    replknet,
    resmlp,
    resnet,
    shift_mlp,
    spartan,
    starnet,
    van,
)
from .entry import ZooEntry

__all__ = ["ZOO", "ZooEntry", "zoo_entry"]

_FAMILIES = (
    metaformer,
    convnext,
    convnext_dcls,
    convnext_v2,
    mlp_mixer,
    resmlp,
    gmlp,
    raftmlp,
    shift_mlp,
    hornet,
    van,
    lit,
    casvit,
    ffnet,
    focalnet,
    starnet,
    conv2former,
    fasternet,
    replknet,
    spartan,
    resnet,
    condconv,
    lsnet,
    gfnet,
    affnet,
    overlock,
)

ZOO: Mapping[str, ZooEntry] = MappingProxyType(
    {entry.name: entry for family in _FAMILIES for entry in family.entries()}
)
"""All published networks, by name."""


def zoo_entry(name: str) -> ZooEntry:
    """Return the published network of that name.

    Raises:
        InputError: If there is none; the message lists the known ones.
    """
    if name not in ZOO:
        raise unknown_name("published network", name, ZOO)
    return ZOO[name]
