"""Attention by flex_attention gives the results of the plain form, and is refused by the counts."""

from typing import Any

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.search_space.components.attention.flex import with_flex_attention
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.neighbourhood import NeighbourhoodMixer
from nas_explorer.search_space.components.mixers.windowed import HaloAttention, WindowAttention
from nas_explorer.search_space.shapes import Shape
from torch import nn

MAP = Shape(16, 9, 12)
WINDOW = WindowAttention(head_dim=8, window_height=4, window_width=4, shifted=True)


def made(mixer: Any) -> nn.Module:
    """Return a module with larger weights than at the start, for evaluation."""
    torch.manual_seed(0)
    module = mixer.build(MAP).eval()
    for each in module.parameters():
        each.data.normal_(0, 0.3)
    return module


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    ("mixer", "changed"),
    [
        (NeighbourhoodMixer(head_dim=8, kernel_size=5), True),
        (NeighbourhoodMixer(head_dim=8, kernel_size=3, dilation=3, position="none"), True),
        (WINDOW, True),
        (
            WindowAttention(
                head_dim=8, window_height=5, window_width=3, score="cosine", position="log_offset"
            ),
            True,
        ),
        (HaloAttention(head_dim=8, block_size=4), False),
        (Attention(head_dim=8), False),
    ],
    ids=["neighbourhood", "dilated", "shifted", "cosine", "halo", "global"],
)
def test_the_results_are_those_of_the_plain_form(mixer: Any, changed: bool) -> None:
    module = made(mixer)
    flexible, names = with_flex_attention(module)
    assert bool(names) is changed
    assert flexible is not module
    assert flexible.state_dict().keys() == module.state_dict().keys()
    x_BCHW = torch.randn(2, *MAP, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(flexible(x_BCHW), module(x_BCHW), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("mixer", [NeighbourhoodMixer(head_dim=8, kernel_size=3), WINDOW])
def test_masks_made_without_gradients_can_be_used_with_them(mixer: Any) -> None:
    flexible, _ = with_flex_attention(made(mixer))
    with torch.inference_mode():
        flexible(torch.zeros(1, *MAP))
    (module,) = (each for each in flexible.modules() if hasattr(each, "mix"))
    kept = module.masks if hasattr(module, "masks") else module.pairs
    (mask,) = (getattr(each, "mask", each) for each in kept.values())
    assert not mask.kv_indices.is_inference()


def test_the_copy_cannot_be_counted() -> None:
    module = made(NeighbourhoodMixer(head_dim=8, kernel_size=3))
    assert count_module(module, MAP).macs
    flexible, _ = with_flex_attention(module)
    with pytest.raises(Exception, match="flex_attention"):
        count_module(flexible, MAP)
