"""Published architectures as values, with the figures that their papers print."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ..errors import InputError, shown
from . import (
    activemlp,
    affnet,
    casvit,
    coatnet,
    condconv,
    conv2former,
    convit,
    convnext,
    convnext_dcls,
    convnext_v2,
    crossformer,
    crossvit,
    cswin,
    cvt,
    deepmad,
    edgenext,
    efficientformer_v2,
    efficientnet,
    efficientvit,
    efficientvit_mit,
    fasternet,
    fcaformer,
    ffnet,
    focalnet,
    gfnet,
    ghostnet,
    glnet,
    gmlp,
    halonet,
    hornet,
    levit,
    lit,
    lsnet,
    maxvit,
    metaformer,
    mixnet,
    mlp_mixer,
    mnasnet,
    moat,
    mobilenet,
    mobilenet_v4,
    mobilevit,
    nat,
    overlock,
    raftmlp,
    regnet,
    replknet,
    repvgg,
    repvit,
    resmlp,
    resnet,
    sequencer,
    shift_mlp,
    soft,
    spartan,
    starnet,
    swin,
    transnext,
    twins,
    van,
    vig,
    vit,
    vmamba,
    xcit,
)
from .entry import ZooEntry
from .names import family_of, is_slip, other_names, plain_name, untagged

__all__ = ["ZOO", "ZooEntry", "in_zoo", "unknown_network", "zoo_entry", "zoo_names"]

_FAMILIES = (
    metaformer,
    convnext,
    convnext_dcls,
    convnext_v2,
    mlp_mixer,
    repvit,
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
    efficientnet,
    mobilenet,
    mobilenet_v4,
    mnasnet,
    regnet,
    repvgg,
    deepmad,
    ghostnet,
    mixnet,
    lsnet,
    gfnet,
    activemlp,
    affnet,
    overlock,
    sequencer,
    vig,
    vit,
    swin,
    twins,
    xcit,
    edgenext,
    nat,
    cswin,
    efficientvit,
    convit,
    crossvit,
    fcaformer,
    vmamba,
    mobilevit,
    coatnet,
    maxvit,
    moat,
    efficientvit_mit,
    efficientformer_v2,
    glnet,
    crossformer,
    transnext,
    cvt,
    soft,
    halonet,
)

ZOO: Mapping[str, ZooEntry] = MappingProxyType(
    {
        entry.name: replace(entry, aliases=other_names(entry.name, entry.aliases))
        for family in _FAMILIES
        for entry in family.entries()
    }
)
"""All published networks, by name."""

_FEW = 16
"""The most networks of a family that a message lists."""

_PLAIN = {
    plain_name(name): entry for entry in ZOO.values() for name in (entry.name, *entry.aliases)
}


def _found(name: str) -> ZooEntry | None:
    return next(
        (_PLAIN[plain] for plain in map(plain_name, untagged(name)) if plain in _PLAIN), None
    )


def in_zoo(name: str) -> bool:
    """Return whether a published network has this name or alias."""
    return _found(name) is not None


def zoo_names() -> list[str]:
    """Return the names of all published networks, and their aliases."""
    return [name for entry in ZOO.values() for name in (entry.name, *entry.aliases)]


def zoo_entry(name: str) -> ZooEntry:
    """Return the published network of a name or alias.

    Capitals, and separators between letters and digits, are ignored, and so is timm's tag of the
    weights after a dot.

    Raises:
        InputError: If the name is unknown; the message lists the networks of the family, or the
            name with one letter corrected.
    """
    found = _found(name)
    if found is None:
        raise unknown_network("a published network must go by a known name", name)
    return found


def unknown_network(rule: str, given: str) -> InputError:
    """Return the error for a name that no published network has.

    The networks of the same family are listed; none of them is suggested as the one meant.

    Args:
        rule: The rule broken, as in ``"a network must go by a known name"``.
        given: The name given.
    """
    families: dict[str, list[str]] = {}
    for entry in ZOO.values():
        families.setdefault(entry.family.partition(" (")[0], []).append(entry.name)
    slips = [name for name in zoo_names() if is_slip(given, name)]
    family = family_of(given, families)
    if len(slips) == 1:
        hint = f"did you mean {slips[0]!r}?"
    elif family is not None:
        first = families[family][:_FEW]
        more = f", ... ({len(families[family])} in all)" if len(families[family]) > _FEW else ""
        hint = f"of {family} there are {', '.join(first)}{more}"
    else:
        hint = f"nas zoo lists all {len(ZOO)}"
    return InputError(f"{rule}, but got {shown(given)}; {hint}")
