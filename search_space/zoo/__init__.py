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
    levit,
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

__all__ = ["ZOO", "ZooEntry", "in_zoo", "zoo_entry", "zoo_names"]

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
    levit,
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


def _plain(name: str) -> str:
    """Drop what papers and repositories write in different ways: ``VAN-B0``, ``van_b0``."""
    return "".join(filter(str.isalnum, name.lower()))


_PLAIN = {_plain(name): entry for entry in ZOO.values() for name in (entry.name, *entry.aliases)}


def in_zoo(name: str) -> bool:
    """Return whether a published network goes by that name."""
    return _plain(name) in _PLAIN


def zoo_names() -> list[str]:
    """Return the names of all published networks, and the other names that they go by."""
    return [name for entry in ZOO.values() for name in (entry.name, *entry.aliases)]


def zoo_entry(name: str) -> ZooEntry:
    """Return the published network of that name, its own or another that it goes by.

    Capitals and what stands between letters and digits do not matter.

    Raises:
        InputError: If there is none; the message lists the known ones.
    """
    if not in_zoo(name):
        raise unknown_name("published network", name, zoo_names())
    return _PLAIN[_plain(name)]
