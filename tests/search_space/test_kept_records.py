"""Records from before a component changed give the same network and digest."""

from typing import Any

import pytest
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers.levit import LevitAttention
from nas_explorer.search_space.components.tables import component_from_data, component_to_data
from nas_explorer.search_space.shapes import Shape

LEVIT = {"heads": 2, "key_dim": 4, "value_ratio": 1.0, "query_kernel": 3, "activation": "relu"}

# Components in JSON of format 1, on maps of 48 x 8 x 8, with their digests at that time.
KEPT: dict[str, tuple[dict[str, Any], str]] = {
    "levit_attention": (LEVIT, "da43ac81af3c738b62bb8d2ad5775ddd92758e08f47142ec9ac11fcc8664300a"),
    "levit_attention, of the keys": (
        {**LEVIT, "value_ratio": 1 / 3},
        "1a553e27af6ee8931c2d838a04cec23fd935079891ed289748894774cc36c0f9",
    ),
    "rep_depthwise_conv": (
        {"kernel_size": 3, "squeeze": False},
        "d1355535b87c381e6ead8c932340629aec2849c6dabb0ec223bcbe4409b7d619",
    ),
    "rep_depthwise_conv, squeeze": (
        {"kernel_size": 3, "squeeze": True},
        "04b27b833e05e324dfc020c1708efb55797f7b775d569ff9d71e86132b0450d0",
    ),
    "relative_attention": (
        {"head_dim": 16, "qkv_bias": False, "proj_bias": False},
        "6f29ac8190047bf7cb89c531edcca1a75e6146c86b382f5d13d9e5e0071158ac",
    ),
}


def written(title: str, form: int = 1) -> dict[str, Any]:
    """Return the JSON of a network with only that mixer."""
    mixer = {"name": title.partition(",")[0], **KEPT[title][0]}
    block = {"name": "residual", "mixer": mixer, "residual": {"name": "none"}}
    return {
        "format": form,
        "input": [3, 16, 16],
        "classes": 5,
        "stem": {"name": "patch", "patch_size": 2, "norm": {"name": "none"}},
        "stages": [{"width": 48, "depth": 1, "downsampling": None, "blocks": [block]}],
        "head": {"name": "pooled", "norm": {"name": "none"}, "norm_first": False},
    }


@pytest.mark.parametrize("title", KEPT)
def test_kept_records_have_their_digest(title: str) -> None:
    kept = Architecture.from_json(written(title))
    assert kept.digest == KEPT[title][1]
    assert Architecture.from_json(kept.to_json()) == kept


def test_values_over_keys_and_over_channels_are_one_network() -> None:
    shape = Shape(48, 8, 8)
    now = LevitAttention(heads=2, key_dim=4, query_kernel=3, activation="relu")
    old = component_from_data(TokenMixer, {"name": "levit_attention", **LEVIT}, "mixer")
    assert isinstance(old, LevitAttention)
    assert (now.value_dim(shape), old.value_dim(shape)) == (8, 24)  # 2 x 4; 48 channels / 2 heads
    third = component_from_data(
        TokenMixer, {"name": "levit_attention", **LEVIT, "value_ratio": 1 / 3}, "mixer"
    )
    assert now.canonical(shape) == third.canonical(shape) != old.canonical(shape)


def test_what_is_left_out_of_a_new_description_is_the_default() -> None:
    short = {"name": "levit_attention", "heads": 2}
    assert component_from_data(TokenMixer, short, "mixer") == LevitAttention(heads=2)
    older = component_from_data(TokenMixer, short, "mixer", older=True)
    assert component_to_data(older)["value_base"] == "channels"
