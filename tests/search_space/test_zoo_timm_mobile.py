"""The smallest mobile networks of each family give timm's scores, and timm's input gradients.

``benchmarks/zoo_timm.py`` compares all of them.
"""

from dataclasses import replace

import pytest
from nas_explorer.search_space.shapes import Shape

from ..benchmark_runs import load_benchmark
from .tensors import Undrawn

SCRIPT = load_benchmark("zoo_timm.py")

SIDE = 40

# One network of each family and of each kind of block.
SAMPLE = (
    "efficientnet_b0",
    "efficientnet_es",
    "efficientnetv2_rw_t",
    "tinynet_e",
    "mobilenetv1_100h",
    "mobilenetv3_small_050",
    "mobilenetv3_rw",
    "lcnet_035",
    "hardcorenas_a",
    "mnasnet_small",
    "fbnetc_100",
    "mobilenet_edgetpu_100",
    "mobilenetv4_conv_small_035",
    "ghostnet_050",
    "mixnet_s",
    "regnetx_004_tv",
    "regnety_002",
    "repvgg_a0",
    "mobileone_s0",
)

FOLD = ("repvgg", "mobileone")
"""Prefixes of networks that fold for inference."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_the_same_function_as_timm(name: str) -> None:
    ((entry, timms),) = SCRIPT.pairs((name,))
    architecture = replace(entry.architecture, input=Shape(3, SIDE, SIDE))
    with Undrawn():
        found = SCRIPT.compare(architecture, timms)
    assert found.close
    assert (found.folded is not None) == name.startswith(FOLD)
