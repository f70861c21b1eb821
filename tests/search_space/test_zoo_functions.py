"""Networks with attention give timm's scores and gradients with the same weights.

``benchmarks/zoo_timm.py`` compares all networks that timm has.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry
from nas_explorer.search_space.zoo.crossvit import crossvit
from nas_explorer.search_space.zoo.swin import swin

from ..benchmark_runs import load_benchmark, run_benchmark
from .tensors import Undrawn

SCRIPT = load_benchmark("zoo_timm.py")

# timm's name of the smallest network of each family, and the side of the images.
SMALLEST = {
    "vit_tiny_patch16_224": 32,
    "deit_tiny_distilled_patch16_224": 32,
    "deit3_small_patch16_224": 32,
    "twins_pcpvt_small": 64,
    "pvt_v2_b0": 32,
    "xcit_nano_12_p16_224": 32,
    "cait_xxs24_224": 32,
    "edgenext_xx_small": 64,
}


def assert_equal(architecture: Architecture, name: str, **options: Any) -> None:
    """Assert that scores and gradients are timm's to 1e-4."""
    with Undrawn():
        found = SCRIPT.compare(architecture, name, **options)
    assert found.scores < 1e-4
    assert found.gradient < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), SMALLEST.items(), ids=list(SMALLEST))
def test_scores_and_gradients_are_timms(name: str, side: int) -> None:
    architecture = replace(zoo_entry(name).architecture, input=Shape(3, side, side))
    assert_equal(architecture, name)


@pytest.mark.parametrize("stack", [False, True])
def test_crossvit_is_timms(stack: bool) -> None:
    """Images of 48 pixels, of 32 for the large patches, so that convolutions fit both."""
    name = f"crossvit_9_{'dagger_' if stack else ''}240"
    network = crossvit(32, 1, 4, 3, stack, 48, 32)
    sizes = {"embed_dim": [32, 64], "depth": [[1, 1, 0]] * 3, "img_scale": (1.0, 32 / 48)}
    assert_equal(network, name, **sizes)


@pytest.mark.slow
@pytest.mark.parametrize("second", [False, True])
def test_swin_is_timms(second: bool) -> None:
    """Windows of 2 x 2, plain and shifted, on maps of 16 x 16 to 2 x 2."""
    name = "swinv2_tiny_window8_256" if second else "swin_tiny_patch4_window7_224"
    depths = (2, 2, 1, 1)
    network = swin(96, depths, 2, 64, second=second)
    assert_equal(network, name, window_size=2, depths=depths)


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    about = run_benchmark("zoo_timm.py", "--quick", "--only", "starnet_s1")
    assert (about["networks"], about["apart"], about["skipped"]) == (1, [], [])


def test_a_name_without_a_network_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"\['starnett'\]"):
        run_benchmark("zoo_timm.py", "--only", "starnett")


def test_what_is_no_number_is_not_close() -> None:
    for found in ((math.nan, 0.0), (0.0, math.nan)):
        assert not SCRIPT.Differences(*found, None).close
        assert math.isnan(max(found, key=SCRIPT.rank))
    assert SCRIPT.Differences(0.0, 1e-5, None).close
