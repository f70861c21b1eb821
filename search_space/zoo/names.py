"""Names of published networks: those of papers, of repositories and of timm."""

import re
from collections.abc import Iterable, Iterator

_WORDS = {
    "atto": "A",
    "femto": "F",
    "pico": "P",
    "nano": "N",
    "tiny": "T",
    "small": "S",
    "base": "B",
    "large": "L",
    "xlarge": "XL",
    "huge": "H",
}
"""Words for sizes, with their letters."""

# Patterns of names for the letter or the word of a size: the name here, the aliases.
_PATTERNS = (
    ("ConvNeXt-{letter}", "convnext_{word}"),
    ("ConvNeXt-{letter}-384", "convnext_{word}_384"),
    ("ConvNeXt-{letter} iso", "convnext_isotropic_{word}"),
    ("ConvNeXt-{letter}-dcls", "convnext_dcls_{word}"),
    ("AS-MLP-{letter}", "asmlp_{word}_patch4_shift5_224"),
    ("hornet_{word}_7x7", "HorNet-{letter} 7x7"),
    ("hornet_{word}_gf", "HorNet-{letter} GF"),
    ("hornet_{word}_gf_img384", "HorNet-{letter} GF 384"),
    ("focalnet_{word}_srf", "FocalNet-{letter} SRF"),
    ("focalnet_{word}_lrf", "FocalNet-{letter} LRF"),
    ("focalnet_{word}_iso", "focalnet_{word}_iso_16"),
    ("focalnet_{word}_fl3", "FocalNet-{letter} FL3"),
    ("focalnet_{word}_fl4", "FocalNet-{letter} FL4"),
    ("convnextv2_{word}", "ConvNeXt V2-{letter}"),
    ("convnextv2_{word}_384", "ConvNeXt V2-{letter} 384"),
    ("convnextv2_{word}_512", "ConvNeXt V2-{letter} 512"),
    ("inceptionnext_{word}", "InceptionNeXt-{letter}"),
    ("inceptionnext_{word}_384", "InceptionNeXt-{letter} 384"),
)

# Names without a pattern.
_SINGLE = {
    "van_b0": ("van_tiny",),
    "van_b1": ("van_small",),
    "van_b2": ("van_base",),
    "van_b3": ("van_large",),
    "resmlp_12_224": ("resmlp_12",),
    "resmlp_24_224": ("resmlp_24",),
    "resmlp_36_224": ("resmlp_36",),
    "resmlp_big_24_224": ("resmlpB_24",),
    "gmlp_ti16_224": ("gMLP-Ti/16",),
    "gmlp_s16_224": ("gMLP-S/16",),
    "gmlp_b16_224": ("gMLP-B/16",),
    "wide_resnet50_2": ("WRN-50-2",),
    "wide_resnet101_2": ("WRN-101-2",),
    "mobilenet_v2": ("mobilenetv2_100", "MobileNetV2 1.0"),
    "mobilenetv2_050": ("MobileNetV2 0.5",),
    "mnasnet_050": ("mnasnet0_5",),
    "mnasnet_075": ("mnasnet0_75",),
    "mnasnet_100": ("mnasnet1_0", "mnasnet_b1"),
    "semnasnet_100": ("mnasnet_a1",),
    "mobilenetv3_large_100": ("mobilenet_v3_large", "MobileNetV3-Large 1.0"),
    "mobilenetv3_large_075": ("MobileNetV3-Large 0.75",),
    "mobilenetv3_small_100": ("mobilenet_v3_small", "MobileNetV3-Small 1.0"),
    "mobilenetv3_small_075": ("MobileNetV3-Small 0.75",),
    "mobilenetv3_small_050": ("MobileNetV3-Small 0.5",),
    "mobilenetv1_100": ("MobileNetV1 1.0",),
    "regnetx_004_tv": ("regnet_x_400mf",),
    "regnetx_008": ("regnet_x_800mf",),
    "regnetx_080": ("regnet_x_8gf",),
    "regnety_004": ("regnet_y_400mf",),
    "regnety_008_tv": ("regnet_y_800mf",),
    "regnety_080_tv": ("regnet_y_8gf",),
    "mobilenetv4_conv_small": ("MNv4-Conv-S",),
    "mobilenetv4_conv_medium": ("MNv4-Conv-M",),
    "mobilenetv4_conv_large": ("MNv4-Conv-L",),
    "mcunet_in2": ("mcunet-256kB",),
    "fbnetc_100": ("FBNet-C",),
    "spnasnet_100": ("Single-Path NAS",),
    "vit_base_patch16_224": ("vit_b_16", "DeiT-B"),
    "vit_base_patch32_224": ("vit_b_32",),
    "vit_large_patch16_224": ("vit_l_16",),
    "vit_large_patch32_224": ("vit_l_32",),
    "vit_huge_patch14_224": ("vit_h_14",),
    "vit_tiny_patch16_224": ("DeiT-Ti",),
    "vit_small_patch16_224": ("DeiT-S",),
    "tf_efficientnet_cc_b0_4e": ("efficientnet-condconv-b0-4e",),
    "tf_efficientnet_cc_b0_8e": ("efficientnet-condconv-b0-8e",),
    "tf_efficientnet_cc_b1_8e": ("efficientnet-condconv-b1-8e",),
}


def plain_name(name: str) -> str:
    """Drop differences between spellings of a name, such as ``VAN-B0`` and ``van_b0``."""
    return "".join(filter(str.isalnum, name.lower()))


def _made() -> Iterator[tuple[str, str]]:
    """Yield each name made by a pattern, with an alias of the same network."""
    for ours, other in _PATTERNS:
        for word, letter in _WORDS.items():
            yield ours.format(word=word, letter=letter), other.format(word=word, letter=letter)


def other_names(name: str, given: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the aliases of a network, each in one spelling.

    Args:
        name: Name of the network in the zoo.
        given: Aliases that the entry already has.
    """
    made = (other for ours, other in _made() if ours == name)
    known = {plain_name(name): name}
    for each in (*given, *made, *_SINGLE.get(name, ())):
        known.setdefault(plain_name(each), each)
    return tuple(known.values())[1:]


def untagged(name: str) -> Iterator[str]:
    """Yield a name, then the name without the tag that timm adds after a dot.

    For a tag that ends with an image size, the name of the network for that size comes before:
    ``caformer_s18_384`` for ``caformer_s18.sail_in1k_384``.
    """
    yield name
    base, dot, tag = name.partition(".")
    if dot and re.fullmatch(r"[a-z]\w*_\w*|in\d+k", tag):  # but not a file's ending
        if size := re.search(r"_(384|512)$", tag):
            yield f"{base}_{size[1]}"
        yield base


def is_slip(given: str, known: str) -> bool:
    """Whether a name is likely a known one with one mistyped letter.

    Numbers and short words must agree, since they name sizes: ``van_b4`` is not ``van_b3``
    mistyped.
    """
    first, second = (re.findall(r"[a-z]+|\d+", each.lower()) for each in (given, known))
    if len(first) != len(second):
        return False
    differing = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    if len(differing) != 1 or min(map(len, differing[0])) < 4:
        return False
    one, other = differing[0]
    return not one.endswith(tuple(_WORDS)) and _one_apart(one, other)


def _one_apart(one: str, other: str) -> bool:
    """Whether two words differ by one letter added, removed, changed or swapped with the next."""
    if abs(len(one) - len(other)) > 1:
        return False
    shorter, longer = sorted((one, other), key=len)
    start = next(
        (at for at, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter)
    )
    if len(shorter) < len(longer):
        return shorter[start:] == longer[start + 1 :]
    swapped = shorter[start : start + 2][::-1] == longer[start : start + 2]
    return shorter[start + 1 :] == longer[start + 1 :] or (
        swapped and shorter[start + 2 :] == longer[start + 2 :]
    )


def family_of(given: str, families: Iterable[str]) -> str | None:
    """Return the family with the longest name that a name begins with, or None."""
    plain = plain_name(given)
    found = [name for name in families if plain.startswith(plain_name(name))]
    return max(found, key=len, default=None)
