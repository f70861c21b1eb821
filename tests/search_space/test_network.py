"""The module of an architecture, with the interface of a backbone."""

import pytest
import torch
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.downsampling import ConvDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv
from nas_explorer.search_space.components.mixers.trivial import IdentityMixer, Pooling
from nas_explorer.search_space.components.norms import LayerNorm, NoNorm
from nas_explorer.search_space.components.parts import IMAGE
from nas_explorer.search_space.components.residuals import NoResidual, ResScaleResidual
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.walk.choosers import RandomChooser
from torch import nn

BARE = MetaFormerBlock(
    mixer=IdentityMixer(), channel_mixer=NoChannelMixer(), norm=NoNorm(), residual=NoResidual()
)


def two_stages() -> Architecture:
    block = MetaFormerBlock(mixer=Pooling(), residual=ResScaleResidual())
    down = ConvDownsampling(kernel_size=2)
    return Architecture(
        input=Shape(3, 16, 12),
        classes=5,
        stem=PatchStem(patch_size=2),
        stages=(
            Stage(width=8, depth=1, blocks=(block,)),
            Stage(width=16, depth=2, blocks=(block,), downsampling=down),
        ),
        head=PooledHead(),
    )


def network() -> Network:
    torch.manual_seed(0)
    return Network(two_stages()).eval()


def test_forward_is_features_and_head() -> None:
    module, x = network(), torch.randn(2, 3, 16, 12)
    features = module.forward_features(x)
    assert features.shape == (2, 16, 4, 3)
    assert torch.equal(module(x), module.forward_head(features))
    assert module(x).shape == (2, 5)


def test_intermediate_maps_are_what_feature_info_says() -> None:
    module, x = network(), torch.randn(2, 3, 16, 12)
    maps = module.forward_intermediates(x)
    assert [tuple(each.shape) for each in maps] == [(2, 8, 8, 6), (2, 16, 4, 3)]
    info = module.feature_info
    assert [(each.channels, each.reduction) for each in info] == [(8, 2), (16, 4)]
    assert info[-1].module == "stages.1.blocks.1.residual2.add"
    assert torch.equal(maps[-1], module.forward_features(x))
    assert module.num_features == 16 and module.num_classes == 5


def test_the_classifier_can_be_replaced() -> None:
    module, x = network(), torch.randn(2, 3, 16, 12)
    before = module.forward_features(x)
    pooled = module.forward_head(before, pre_logits=True)
    assert torch.equal(module.get_classifier()(pooled), module(x))
    module.reset_classifier(11)
    assert module(x).shape == (2, 11) and module.num_classes == 11
    assert module.architecture.classes == 11
    assert torch.equal(module.forward_features(x), before)
    assert torch.equal(module.forward_head(before, pre_logits=True), pooled)  # the norm stays


def test_weights_are_named_after_their_parts() -> None:
    module = network()
    names = {part.name for part in two_stages().parts()}
    for name, _ in module.named_parameters():
        assert any(name.startswith(f"{part}.") for part in names)
    # the residual of a MetaFormer scales the stream: 8 + 8 in one block, 4 x 16 in two
    scales = [p for name, p in module.named_parameters() if ".scale." in name]
    assert sum(each.numel() for each in scales) == 8 + 8 + 4 * 16


def test_a_block_by_hand() -> None:
    """Stem, norm, depthwise convolution, scaled stream and sum, norm of the head, classifier."""
    block = MetaFormerBlock(
        mixer=LargeKernelConv(kernel_size=3),
        channel_mixer=NoChannelMixer(),
        residual=ResScaleResidual(init=0.5),
    )
    torch.manual_seed(0)
    module = Network(
        Architecture(
            input=Shape(1, 4, 4),
            classes=2,
            stem=PatchStem(patch_size=1, norm=NoNorm()),
            stages=(Stage(width=4, depth=1, blocks=(block,)),),
            head=PooledHead(norm=NoNorm()),
        )
    )
    x = torch.randn(3, 1, 4, 4)
    stream = module.get_submodule("stem")(x)
    norm = LayerNorm().build(Shape(4, 4, 4))
    branch = module.get_submodule("stages.0.blocks.0.mixer")(norm(stream))
    pooled = (0.5 * stream + branch).mean((2, 3))
    classifier = module.get_submodule("head.classifier")
    assert torch.allclose(module(x), classifier(pooled), atol=1e-6)


def test_stages_without_any_part_pass_the_map_on() -> None:
    torch.manual_seed(0)
    bare = Network(
        Architecture(
            input=Shape(3, 8, 8),
            classes=2,
            stem=PatchStem(),
            stages=(Stage(width=4, depth=3, blocks=(BARE,)),),
            head=PooledHead(),
        )
    )
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(bare.forward_features(x), bare.get_submodule("stem")(x))
    assert bare(x).shape == (2, 2)


def test_networks_run_in_their_canonical_form() -> None:
    architecture = two_stages()
    assert network().architecture == architecture.canonical
    assert isinstance(architecture.build(), nn.Module)


def test_a_seed_decides_the_weights_and_training_reaches_all_of_them() -> None:
    space = load_space("micro").bind(channels=3, resolution=8, classes=4)
    for seed in range(4):
        architecture = space.walk(RandomChooser(seed)).architecture
        torch.manual_seed(seed)
        first = Network(architecture)
        torch.manual_seed(seed)
        second = Network(architecture)
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name]), name
        y = first(torch.randn(2, 3, 8, 8))
        assert y.shape == (2, 4) and y.isfinite().all()
        y.square().sum().backward()
        for name, parameter in first.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def check_shapes(architecture: Architecture) -> None:
    """Every part's output has the stated shape."""
    module = Network(architecture).eval()
    live = {IMAGE: torch.empty(1, *architecture.input).fill_(0.5)}
    for part in architecture.parts():
        y = module.get_submodule(part.name)(*[live[name] for name in part.inputs])
        live[part.name] = y
        assert y.shape == (1, *part.out_shape) or y.shape == (1, architecture.classes)
    assert y.shape == (1, architecture.classes)


def test_parts_give_what_they_promise() -> None:
    space = load_space("micro").bind(channels=2, resolution=11, classes=4)
    for seed in range(12):
        check_shapes(space.walk(RandomChooser(seed)).architecture)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobile", "imagenet", "hybrid"])
def test_parts_of_large_networks_give_what_they_promise(name: str) -> None:
    space = load_space(name)
    for seed in range(3):
        with torch.device("meta"):
            check_shapes(space.walk(RandomChooser(seed)).architecture)
