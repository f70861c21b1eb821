"""MOAT, GLNet, CrossFormer and TransNeXt, which timm lacks, have properties worked by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.components.layers.cross_scale import CrossScalePatches
from nas_explorer.search_space.components.mixers.length_scaled import LengthScaledAttention
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo.crossformer import crossformer
from nas_explorer.search_space.zoo.glnet import glnet
from nas_explorer.search_space.zoo.moat import moat
from nas_explorer.search_space.zoo.transnext import transnext
from torch import Tensor
from torch.nn import functional as F


def downsampling(net: Any, number: int) -> Any:
    """Return the downsampling before a stage."""
    return net.get_submodule(f"stages.{number}.downsampling")


def layer_norm(x_BCHW: Tensor) -> Tensor:
    """Norm over channels with a variance of eps 1e-5."""
    last = x_BCHW.permute(0, 2, 3, 1)
    return F.layer_norm(last, last.shape[-1:]).permute(0, 3, 1, 2)


def fresh_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """An untrained batch norm, whose mean is 0 and variance 1."""
    return x / math.sqrt(1 + eps)


def moat_by_hand(net: Any, x: Tensor) -> Tensor:
    """Two convolutions, the first with a norm and GELU; then means over 2 x 2, and linear maps."""
    stem = net.stem
    x = F.conv2d(x, stem.conv1.weight, stem.conv1.bias, 2, 1)
    x = F.conv2d(F.gelu(fresh_norm(x, 1e-3)), stem.conv2.weight, stem.conv2.bias, 1, 1)
    for number in range(1, 5):
        shortcut = downsampling(net, number).shortcut.map
        x = F.conv2d(F.avg_pool2d(x, 2), shortcut.weight, shortcut.bias)
    return x


def glnet_by_hand(net: Any, x: Tensor) -> Tensor:
    """Five convolutions of stride 2 with batch norms, the first with GELU too."""
    stem = net.stem
    x = F.gelu(fresh_norm(F.conv2d(x, stem.conv1.weight, stem.conv1.bias, 2, 1)))
    x = fresh_norm(F.conv2d(x, stem.conv2.weight, stem.conv2.bias, 2, 1))
    for number in range(1, 4):
        conv = downsampling(net, number).conv
        x = fresh_norm(F.conv2d(x, conv.weight, conv.bias, 2, 1))
    return x


def crossformer_by_hand(net: Any, x: Tensor) -> Tensor:
    """Patches of four sizes and a norm; then a norm and patches of two sizes, three times."""

    def patches(scales: Any, x: Tensor, step: int) -> Tensor:
        wider = ((conv.kernel_size[0] - step) // 2 for conv in scales)
        each = [
            F.conv2d(F.pad(x, (pad,) * 4), conv.weight, conv.bias, step)
            for conv, pad in zip(scales, wider, strict=True)
        ]
        return torch.cat(each, 1)

    assert [conv.kernel_size[0] for conv in net.stem.patches.scales] == [4, 8, 16, 32]
    x = layer_norm(patches(net.stem.patches.scales, x, 4))
    for number in range(1, 4):
        scales = downsampling(net, number).patches.scales
        assert [conv.kernel_size[0] for conv in scales] == [2, 4]
        x = patches(scales, layer_norm(x), 2)
    return x


def transnext_by_hand(net: Any, x: Tensor) -> Tensor:
    """A 7 x 7 convolution of stride 4 and a norm; then a norm, a 3 x 3 one and a norm, thrice."""
    x = layer_norm(F.conv2d(x, net.stem.conv.weight, net.stem.conv.bias, 4, 3))
    for number in range(1, 4):
        conv = downsampling(net, number).conv
        x = layer_norm(F.conv2d(layer_norm(x), conv.weight, conv.bias, 2, 1))
    return x


NETWORKS: dict[str, tuple[Callable[[], Architecture], Callable[[Any, Tensor], Tensor]]] = {
    "moat": (partial(moat, 32, 8, (1, 1, 2, 2), 32), moat_by_hand),
    "glnet": (partial(glnet, 32, False), glnet_by_hand),
    "crossformer": (partial(crossformer, 32, (1, 2, 1, 1)), crossformer_by_hand),
    "transnext": (partial(transnext, 24, (1, 1, 1, 1), (2, 2, 2, 1), 32), transnext_by_hand),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_without_branches_stem_and_shortcuts_are_left(name: str) -> None:
    """Where all weights of the branches are zero."""
    torch.manual_seed(0)
    make, by_hand = NETWORKS[name]
    net = replace(make(), input=Shape(3, 32, 32)).build().eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        whole = net.forward_features(x)
        for place, weight in net.named_parameters():
            if ".blocks." in place or ".branch." in place:
                weight.zero_()
        expected = by_hand(net, x)
        # The first norm of TransNeXt's downsampling has an epsilon of 1e-6.
        assert torch.allclose(net.forward_features(x), expected, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(whole, expected, rtol=1e-3, atol=1e-4)


def test_the_first_channels_of_patches_are_the_smallest_convolution() -> None:
    """And larger patches with weights only in their middle are small patches."""
    torch.manual_seed(0)
    module = CrossScalePatches(3, 16, patch_size=4, scales=3).eval()
    x = torch.randn(2, 3, 16, 24)
    small, middle, _ = module.scales
    with torch.no_grad():
        assert torch.equal(module(x)[:, :8], small(x))
        inner = middle.weight[:, :, 2:6, 2:6].clone()
        middle.weight.zero_()[:, :, 2:6, 2:6] = inner
        expected = F.conv2d(x, inner, middle.bias, 4)
        assert torch.allclose(module(x)[:, 8:12], expected, atol=1e-6)


def test_without_its_query_length_scaled_attention_is_that_of_cosines() -> None:
    """Its factor is softplus(t) ln N; here without biases of offsets too."""
    torch.manual_seed(0)
    module: Any = LengthScaledAttention(head_dim=4).build(Shape(8, 3, 5)).eval()
    x = torch.randn(2, 8, 3, 5)
    with torch.no_grad():
        module.temperature_h1.copy_(torch.tensor([[0.5], [2.0]]))
        for each in (module.query_hd, module.position.out.weight, module.position.out.bias):
            each.zero_()
        module.qkv.weight.normal_()
        q, k, v = module.qkv(x.flatten(2).mT).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        cosines = F.cosine_similarity(q[:, :, :, None], k[:, :, None], dim=4)
        factor = torch.tensor([math.log1p(math.exp(t)) * math.log(15) for t in (0.5, 2.0)])
        mixed = (cosines * factor[:, None, None]).softmax(3) @ v
        expected = module.proj(mixed.transpose(1, 2).flatten(2)).mT.unflatten(2, (3, 5))
        assert torch.allclose(module(x), expected, atol=1e-5)
