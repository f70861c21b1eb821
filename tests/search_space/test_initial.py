"""Initial weights of published networks, and of a short training."""

import pytest
import torch
from nas_explorer.search_space.components.initial import (
    fan_out_start,
    glorot_start,
    small_start,
    torch_start,
)
from torch import nn


@pytest.mark.parametrize("start", [small_start, fan_out_start, glorot_start])
def test_a_short_training_starts_from_torchs_own_weights(start) -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(16, 16, 1)
    before = module.weight.clone()
    with torch_start():
        assert torch.equal(start(module).weight, before)
        assert module.bias is not None and module.bias.abs().sum() > 0
    assert not torch.equal(start(module).weight, before)


def test_the_small_start_has_a_deviation_of_two_hundredths() -> None:
    torch.manual_seed(0)
    module = small_start(nn.Linear(100, 100))
    assert module.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert not module.bias.any()
