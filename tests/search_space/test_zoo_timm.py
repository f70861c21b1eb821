"""Networks of the zoo give timm's scores and gradients with timm's weights, and start as timm's.

``benchmarks/zoo_timm.py`` compares all networks that timm has.
"""

import re
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
from nas_explorer.results.final.timm_weights import in_our_order
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.mixers.focal import FocalModulation
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry
from nas_explorer.search_space.zoo.condconv import efficientnet
from nas_explorer.search_space.zoo.focalnet import focalnet
from torch import Tensor

from ..benchmark_runs import load_benchmark
from .tensors import Undrawn

SCRIPT = load_benchmark("zoo_timm.py")

SIDE = 32

# From our name to timm's: the smallest network of each family, and those of other kinds of blocks.
PAIRS = {
    "poolformer_s12": "poolformer_s12",
    "poolformerv2_s12": "poolformerv2_s12",
    "convformer_s18": "convformer_s18",
    "caformer_s18": "caformer_s18",
    "convnext_atto": "convnext_atto",
    "convnext_atto_ols": "convnext_atto_ols",
    "convnext_tiny_hnf": "convnext_tiny_hnf",
    "convnextv2_atto": "convnextv2_atto",
    "inceptionnext_atto": "inception_next_atto",
    "inceptionnext_tiny": "inception_next_tiny",
    "focalnet_tiny_srf": "focalnet_tiny_srf",
    "starnet_s1": "starnet_s1",
    "mixer_s32_224": "mixer_s32_224",
    "resmlp_12_224": "resmlp_12_224",
    "gmlp_ti16_224": "gmlp_ti16_224",
    "fasternet_t0": "fasternet_t0",
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "resnext50_32x4d": "resnext50_32x4d",
    "repvit_m0_9": "repvit_m0_9",
    "mobilenetv2_050": "mobilenetv2_050",
    "sequencer2d_s": "sequencer2d_s",
    "levit_128s": "levit_128s",
}
OTHERS = {
    "ConvNeXt-T": "convnext_tiny",
    "mobilenet_v2": "mobilenetv2_100",
    "focalnet_tiny_lrf": "focalnet_tiny_lrf",
    "starnet_s150": "starnet_s150",
    "resmlp_big_24_224": "resmlp_big_24_224",
}
"""Some that are not built here."""
SIDES = {"levit": 96}
"""Maps of 6 x 6, 3 x 3 and 2 x 2: halves are rounded up."""

FIXED = ("mixer", "resmlp", "gmlp")
"""Prefixes of the names of timm's networks for images of one size."""


def assert_the_same(architecture: Architecture, name: str, **options: Any) -> None:
    """Assert that scores, gradients and scores of the folded form are timm's."""
    with Undrawn():
        found = SCRIPT.compare(architecture, name, **options)
    assert found.close, found


def test_networks_go_by_the_names_of_timm() -> None:
    for name, theirs in (PAIRS | OTHERS).items():
        assert zoo_entry(theirs) is zoo_entry(name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "timms"), PAIRS.items(), ids=list(PAIRS))
def test_the_same_function_as_timm(name: str, timms: str) -> None:
    side = SIDES.get(name.partition("_")[0], SIDE)
    assert_the_same(replace(zoo_entry(name).architecture, input=Shape(3, side, side)), timms)


@pytest.mark.slow
def test_the_kind_of_the_large_focalnets_is_timms() -> None:
    mixer = FocalModulation(levels=3, mean=True, normed=True)
    network = focalnet(96, (2, 2, 6, 2), mixer, large=True, resolution=SIDE)
    assert_the_same(
        network,
        "focalnet_tiny_lrf",
        use_overlap_down=True,
        use_post_norm=True,
        use_post_norm_in_modulation=True,
        normalize_modulator=True,
        layerscale_value=1e-4,
    )


@pytest.mark.slow
def test_conditional_efficientnets_are_timms_but_for_padding() -> None:
    """TensorFlow's padding differs from ours: on even maps there is none on the left."""
    network = efficientnet(4, 1.0, resolution=128)
    assert_the_same(network, "tf_efficientnet_cc_b0_4e", pad_type="")


# One network of each family, whose initial weights are distributed as timm's, except for
# ``OTHER_STARTS``.
STARTS = (
    "poolformer_s12",
    "poolformerv2_s12",
    "convformer_s18",
    "caformer_s18",
    "convnext_atto",
    "convnext_atto_ols",
    "convnextv2_atto",
    "inceptionnext_atto",
    "focalnet_tiny_srf",
    "starnet_s1",
    "mixer_s32_224",
    "resmlp_12_224",
    "gmlp_ti16_224",
    "fasternet_t0",
    "resnet18",
    "resnext50_32x4d",
    "repvit_m0_9",
    "mobilenet_v2",
    "levit_128s",
    "tf_efficientnet_cc_b0_4e",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_035",
    "mnasnet_small",
    "mixnet_s",
    "coatnet_pico_rw_224",
    "maxvit_pico_rw_256",
    "efficientformerv2_s0",
    "efficientvit_b0",
)

# Prefixes of networks, the weights initialised differently from timm, and the reasons.
OTHER_STARTS = (
    (FIXED, r"stem\.conv\.weight", "the patches of ConvNeXt are the same component"),
    (FIXED, r"head\.classifier\.weight", "so is ConvNeXt's head; at zero, timm's learns later"),
    ("mixer", r".*\.channel_mixer\..*", "so is ConvNeXt's perceptron"),
    ("resmlp", r".*mixer\..*", "ResMLP's own code starts its perceptrons as ConvNeXt does"),
    ("starnet", r"stem\.conv\d\.bias|.*\.downsampling\.conv\.bias", "a norm takes them out"),
    ("resn", r".*\.conv(2|3)\.norm\.weight", "torchvision's blocks do not start as identities"),
    ("resn", r"head\.classifier\..*", "the head of ConvNeXt is the same component"),
    (
        ("mobilenet", "tf_", "mnas", "mixnet"),
        r"head\.(features\.conv|classifier)\.weight",
        "so is FasterNet's",
    ),
    (
        ("coatnet", "maxvit"),
        r".*\.(qkv|proj)\.weight|.*\.fc\d\.(weight|bias)",
        "attention and perceptrons are Swin's; timm has Glorot's weights, and biases of 1e-6",
    ),
    ("coatnet", r".*\.shortcut\.map\.weight", "the shortcut of convolutions is the same component"),
    (("coatnet", "maxvit"), r"head\.classifier\..*", "ConvNeXt's head is the same component"),
    (
        "efficientformerv2",
        r"stages\.\d\.downsampling\.conv\.(weight|bias)",
        "MetaFormer's downsampling is the same component",
    ),
    (
        "efficientvit_b",
        r".*(conv|map|qkv|classifier)\.(weight|bias)|.*\.proj\.norm\.weight",
        "timm keeps torch's weights, the reference code does not",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", STARTS)
def test_weights_start_as_timms(name: str) -> None:
    """The differences are exactly the listed ones."""
    torch.manual_seed(1)
    reference = timm.create_model((PAIRS | OTHERS).get(name, name), pretrained=False)
    weights = in_our_order(reference)
    ours = zoo_entry(name).architecture.build().state_dict()
    kept = [each for each in ours if "num_batches_tracked" not in each]
    named = [where for names, where, _ in OTHER_STARTS if name.startswith(names)]
    met = set[str]()
    for place, theirs in zip(kept, weights, strict=True):
        if not starts_alike(ours[place], theirs):
            why = [where for where in named if re.fullmatch(where, place)]
            assert why, place
            met.update(why)
    assert met == set(named)


def starts_alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether mean and standard deviation agree within five standard errors.

    Single numbers are not tested. timm samples about one number in 2^24 at its bound of -2.
    """
    assert ours.numel() == theirs.numel()
    if ours.numel() == 1:
        return True
    ours, theirs = ours.double(), theirs[theirs != -2].double()
    spreads = ours.std(correction=0), theirs.std(correction=0)
    if not all(spreads):  # constant weights
        return bool((ours.mean() - theirs.mean()).abs() < 1e-9 and not any(spreads))
    # the standard error of the difference of two deviations of normal numbers
    error = max(spreads) / ours.numel() ** 0.5
    return bool(
        (spreads[0] - spreads[1]).abs() < 5 * error
        and (ours.mean() - theirs.mean()).abs() < 5 * 2**0.5 * error
    )


def test_starts_are_distinguished() -> None:
    """Two deviations of 1000 numbers may differ by 16 %, their means by 22 % of a deviation."""
    draw = torch.Generator().manual_seed(1)
    small = 0.02 * torch.randn(1000, generator=draw)
    other = 0.02 * torch.randn(1000, generator=draw)
    assert starts_alike(small, other)
    assert starts_alike(small, torch.cat((other[:-1], torch.tensor([-2.0]))))
    assert not starts_alike(small, 1.3 * other)
    assert not starts_alike(small, other + 0.01)
    assert not starts_alike(torch.zeros(8), 1e-6 * other[:8])
    assert not starts_alike(torch.zeros(8), torch.ones(8))
