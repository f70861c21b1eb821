"""The entry in timm's registry, called like frameworks that take backbones from timm do."""

import copy
import itertools
import pickle
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.evaluators.accuracy.training.optimizer import split_parameters
from nas_explorer.results.export import export_model, load_model, timm_model
from nas_explorer.results.export.timm_network import FeatureNetwork, TimmNetwork
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.downsampling import DOWNSAMPLINGS, NoDownsampling
from nas_explorer.search_space.components.heads import (
    HEADS,
    DistilledHead,
    Head,
    MlpHead,
    PooledHead,
    WideHead,
)
from nas_explorer.search_space.components.mixers.mlp import TokenMlp
from nas_explorer.search_space.components.mixers.trivial import IdentityMixer
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.residuals import NoResidual
from nas_explorer.search_space.components.stems import STEMS, ConvStem, PatchStem, Stem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from timm.data import resolve_model_data_config
from timm.models import group_parameters
from timm.optim import create_optimizer_v2, param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

from ..columns import COLUMNS, IN_COLUMNS
from ..helpers import trained

BLOCK = MetaFormerBlock()


def network(
    *, stem: Stem | None = None, head: Head | None = None, block: MetaFormerBlock = BLOCK
) -> Architecture:
    """Two stages whose maps are a quarter and an eighth of a side of 32."""
    down = DOWNSAMPLINGS["conv"]()
    return Architecture(
        input=Shape(3, 32, 32),
        classes=5,
        stem=stem or ConvStem(stride=4),
        stages=(
            Stage(width=8, depth=2, blocks=(block,)),
            Stage(width=16, depth=1, blocks=(block,), downsampling=down),  # type: ignore[arg-type]
        ),
        head=head or PooledHead(),
    )


SMALL = network()
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
PREPARED = Preparation(
    side=32,
    interpolation="bicubic",
    mean=(102.0, 127.5, 51.0),
    std=(51.0, 25.5, 76.5),
    classes=("a", "b", "c", "d", "e"),
)


def written(folder: Path, architecture: Architecture, **metadata: Any) -> str:
    path = folder / "net.safetensors"
    weights = trained(architecture)
    export_model(architecture, path, weights=weights, metadata=metadata, seed=3)
    return str(path)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    facts = {"preparation": PREPARED.to_json(), "licence": "CC0"}
    return written(tmp_path_factory.mktemp("timm"), SMALL, **facts)


def make(file: str, **options: Any) -> Any:
    return timm.create_model("nas_explorer", file=file, **options)


def run(model: torch.nn.Module, images: Tensor = IMAGES) -> Any:
    with torch.no_grad():
        return model(images)


def test_timm_makes_the_network_of_a_file(file: str) -> None:
    assert timm.is_model("nas_explorer")
    model = make(file)
    assert isinstance(model, TimmNetwork) and not model.training
    assert torch.equal(run(model), run(load_model(file)))
    assert run(make(file, num_classes=7)).shape == (2, 7)
    pooled = run(make(file, num_classes=0))
    assert pooled.shape == (2, model.head_hidden_size) == (2, 16)
    assert torch.equal(model.get_classifier()(pooled), run(model))


def test_the_maps_of_its_stages_are_described_and_given(file: str) -> None:
    model = make(file, features_only=True)
    maps = run(model)
    assert [each.shape[1] for each in maps] == model.feature_info.channels() == [8, 16]
    assert [32 // each.shape[2] for each in maps] == model.feature_info.reduction() == [4, 8]
    last = make(file, features_only=True, out_indices=(-1,))
    assert torch.equal(run(last)[0], maps[1]) and last.feature_info.channels() == [16]
    first = make(file, features_only=True, out_indices=[0])
    assert torch.equal(run(first)[0], maps[0])
    needed = {name for name, _ in first.named_parameters()}
    assert needed and all(name.startswith(("stem.", "stages.0.")) for name in needed)
    assert {name for name, _ in model.named_parameters()} == {
        name for name, _ in make(file).named_parameters() if not name.startswith("head.")
    }


def test_of_maps_of_one_size_the_last_is_given(tmp_path: Path) -> None:
    first, second = SMALL.stages
    same = replace(second, downsampling=NoDownsampling())
    path = written(tmp_path, replace(SMALL, stages=(first, second, same)))
    model = make(path, features_only=True)
    assert model.feature_info.reduction() == [4, 8] and model.feature_info.channels() == [8, 16]
    assert model.feature_info.module_name()[1].startswith("stages.2.")
    assert torch.equal(run(model)[1], load_model(path).forward_features(IMAGES))


def three_sizes() -> Architecture:
    """Maps of 8, 12 and 16 channels, a quarter, an eighth and a sixteenth of the image."""
    first, second = SMALL.stages
    stages = (first, replace(second, width=12), second)
    return replace(SMALL, stages=stages)


@pytest.fixture(scope="module")
def three_maps(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("three"), three_sizes())


EVERY = [each for count in (1, 2, 3) for each in itertools.permutations(range(3), count)]


def test_any_choice_of_maps_is_described_and_given(three_maps: str) -> None:
    every = run(make(three_maps, features_only=True))
    for chosen in (*EVERY, (-1,), (-3, -1), (1, -2), (0, -2, 2), 1, 2, 3):
        model = make(three_maps, features_only=True, out_indices=chosen)
        kept = range(3)[-chosen:] if isinstance(chosen, int) else [each % 3 for each in chosen]
        assert model.feature_info.channels() == [(8, 12, 16)[each] for each in kept]
        assert model.feature_info.reduction() == [(4, 8, 16)[each] for each in kept]
        assert len(model.feature_info) == 3
        maps = run(model)
        assert len(maps) == len(kept)
        assert all(torch.equal(one, every[at]) for one, at in zip(maps, kept, strict=True))


@pytest.mark.filterwarnings("ignore")  # torch's tracer is deprecated
@pytest.mark.parametrize("chosen", [(0,), (1, 0), (0, 1, 2)])
def test_some_maps_survive_copies_pickles_and_traces(
    three_maps: str, chosen: tuple[int, ...]
) -> None:
    model = make(three_maps, features_only=True, out_indices=chosen)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.feature_info.channels() == model.feature_info.channels()
        assert all(map(torch.equal, run(again), run(model)))
    traced: Any = torch.jit.trace(model, IMAGES[:1])  # pyright: ignore
    assert all(map(torch.equal, run(traced), run(model)))


def test_a_network_of_a_stem_alone_has_no_maps(tmp_path: Path) -> None:
    none = MetaFormerBlock(
        mixer=IdentityMixer(),
        channel_mixer=NoChannelMixer(),
        norm=NoNorm(),
        residual=NoResidual(),
    )
    alone = replace(SMALL, stages=(Stage(width=8, depth=1, blocks=(none,)),))
    path = written(tmp_path, alone)
    assert make(path, output_stride=4).num_classes == 5
    with pytest.raises(InputError, match="requires a layer after the stem, but there is none"):
        make(path, features_only=True)


def test_fewer_maps_allow_a_smaller_stride(three_maps: str) -> None:
    """The call of DeepLab: a stride of 8 with two maps."""
    model = make(three_maps, features_only=True, out_indices=(0, 1), output_stride=8)
    assert model.feature_info.reduction() == [4, 8]


def test_large_reductions_are_taken(tmp_path: Path) -> None:
    stages = replace(SMALL, input=Shape(3, 64, 64), stem=PatchStem(patch_size=32))
    path = written(tmp_path, stages)
    assert make(path).feature_info[-1]["reduction"] == 64
    assert make(path, output_stride=32).num_classes == 5


# As frameworks call it --------------------------------------------------------------------------


def test_as_mmsegmentation_calls_it(file: str) -> None:
    """``TIMMBackbone`` of mmseg 1.x, which passes further keys of its config as ``**kwargs``."""
    model = timm.create_model(
        model_name="nas_explorer",
        features_only=True,
        pretrained=True,
        in_chans=3,
        checkpoint_path="",
        file=file,
        out_indices=(0, 1),
        drop_path_rate=0.1,
    )
    model.global_pool = None
    model.fc = None
    model.classifier = None
    model.train()
    assert [each.shape for each in model(IMAGES)] == [(2, 8, 8, 8), (2, 16, 4, 4)]


@pytest.mark.parametrize("features_only", [True, False])
def test_as_mmpretrain_and_mmdetection_call_it(file: str, features_only: bool) -> None:
    """``TIMMBackbone`` of mmpretrain 1.x, which mmdetection takes too."""
    model = timm.create_model(
        model_name="nas_explorer",
        features_only=features_only,
        pretrained=False,
        in_chans=3,
        checkpoint_path="",
        file=file,
    )
    if hasattr(model, "reset_classifier"):
        model.reset_classifier(0, "")
    maps = run(model)
    if features_only:
        assert model.feature_info.out_indices == (0, 1)
        assert [each.shape[1] for each in maps] == [8, 16]
    else:
        assert isinstance(model.feature_info, list)
        assert maps.shape == (2, 16, 4, 4)


@pytest.mark.parametrize("output_stride", [32, 16])
def test_as_segmentation_models_calls_it(file: str, output_stride: int) -> None:
    """``TimmUniversalEncoder`` of segmentation_models_pytorch 0.5: first with a name alone."""
    if not timm.is_model("my_backbone"):
        timm_model.register("my_backbone", file)
    with torch.device("meta"):
        reductions = timm.create_model("my_backbone", features_only=True).feature_info.reduction()
    assert reductions == [4, 8]  # its layout for transformers
    depth = 3
    common: dict[str, Any] = {
        "in_chans": 4,
        "features_only": True,
        "output_stride": output_stride,
        "pretrained": True,
        "out_indices": tuple(range(depth - 1)),
    }
    if output_stride == 32:
        common.pop("output_stride")
    model = timm.create_model("my_backbone", **common)
    assert getattr(model, "output_fmt", None) != "NHWC"
    maps = model(torch.randn(2, 4, 64, 64))
    assert [each.shape[1] for each in maps] == model.feature_info.channels() == [8, 16]
    assert [64 // each.shape[2] for each in maps] == model.feature_info.reduction()


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_decoder_of_segmentation_models_can_be_put_on_it(three_maps: str, depth: int) -> None:
    """The use in ``smp.Unet``: its encoder reads channels, its decoder joins the maps."""
    name = f"three_sizes_{depth}"
    timm_model.register(name, three_maps)
    encoder: Any = timm.create_model(name, features_only=True, out_indices=tuple(range(depth - 1)))
    reductions = encoder.feature_info.reduction()
    assert reductions == [2 ** (index + 2) for index in range(depth - 1)]
    channels = encoder.feature_info.channels()
    decoder = nn.ModuleList(
        nn.Conv2d(below + above, above, 3, padding=1) for above, below in pairwise(channels)
    )
    *above, x = encoder(IMAGES)
    for convolution, skip in zip(reversed(decoder), reversed(above), strict=True):
        x = convolution(torch.cat((F.interpolate(x, scale_factor=2), skip), dim=1))
    assert x.shape == (2, 8, 8, 8)
    x.sum().backward()
    assert all(each.grad is not None for each in encoder.parameters())


def test_detectors_of_torchvision_can_be_put_on_it(three_maps: str) -> None:
    """A feature pyramid on two of the maps, and RetinaNet on that, in training and running."""
    body = make(three_maps, features_only=True, out_indices=(1, 2))

    class Backbone(nn.Module):
        out_channels = 8

        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.pyramid = FeaturePyramidNetwork(body.feature_info.channels(), self.out_channels)

        def forward(self, images: Tensor) -> Any:
            return self.pyramid({str(at): each for at, each in enumerate(self.body(images))})

    anchors = AnchorGenerator(((8,), (16,)), ((1.0,),) * 2)
    model = RetinaNet(Backbone(), 3, anchor_generator=anchors, min_size=32, max_size=32)
    boxes = {"boxes": torch.tensor([[2.0, 2.0, 12.0, 14.0]]), "labels": torch.tensor([1])}
    losses = model(list(IMAGES), [boxes, boxes])
    torch.stack(list(losses.values())).sum().backward()
    assert all(each.grad is not None for each in body.parameters())
    found = run(model.eval(), list(IMAGES))
    assert len(found) == 2 and all(each["boxes"].shape[1] == 4 for each in found)


def test_as_timms_training_script_calls_it(file: str) -> None:
    """The keywords of ``train.py`` of timm 1.0, then its optimiser, and one step."""
    model = timm.create_model(
        "nas_explorer",
        pretrained=True,
        in_chans=None,
        num_classes=3,
        drop_rate=0.1,
        drop_path_rate=0.2,
        drop_block_rate=None,
        global_pool=None,
        bn_momentum=None,
        bn_eps=None,
        scriptable=False,
        checkpoint_path="",
        file=file,
    ).train()
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-2, layer_decay=0.7)
    labels = torch.tensor([0, 2])
    losses: list[float] = []
    for _ in range(8):
        loss = F.cross_entropy(model(IMAGES), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_data_are_prepared_as_for_the_search(file: str) -> None:
    config = resolve_model_data_config(make(file))
    assert config["input_size"] == (3, 32, 32) and config["interpolation"] == "bicubic"
    assert config["mean"] == pytest.approx((0.4, 0.5, 0.2))
    assert config["std"] == pytest.approx((0.2, 0.1, 0.3))
    assert (config["crop_pct"], config["crop_mode"]) == (1.0, "center")
    transform = timm.data.create_transform(**config)
    pixels = torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8)
    from PIL import Image

    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (PREPARED.mean, PREPARED.std))
    expected = (pixels.permute(2, 0, 1).float() - mean) / std
    assert torch.allclose(transform(Image.fromarray(pixels.numpy())), expected, atol=1e-4)


def test_its_configuration_is_described_in_timms_words(file: str, tmp_path: Path) -> None:
    cfg = make(file).pretrained_cfg
    assert cfg["first_conv"] == "stem.conv" and cfg["classifier"] == "head.classifier"
    assert cfg["num_classes"] == 5 and cfg["label_names"] == PREPARED.classes
    assert cfg["license"] == "CC0" and cfg["pool_size"] == (4, 4) and not cfg["fixed_input_size"]
    features = make(file, features_only=True).pretrained_cfg
    assert "classifier" not in features and "mean" in features
    changed = make(file, pretrained_cfg_overlay={"crop_pct": 0.9}).default_cfg
    assert changed["crop_pct"] == 0.9 and changed["mean"] == cfg["mean"]
    named = timm.create_model("nas_explorer", pretrained=True, pretrained_cfg={"file": file})
    assert torch.equal(run(named), run(make(file)))
    unstated = make(written(tmp_path, network(block=MetaFormerBlock(mixer=TokenMlp())))).default_cfg
    assert "mean" not in unstated and unstated["fixed_input_size"]


@pytest.mark.parametrize(
    ("head", "classifier"),
    [
        (PooledHead(), "head.classifier"),
        (DistilledHead(), ("head.classifier.labels", "head.classifier.teacher")),
        (MlpHead(), "head.classifier.fc2"),
        (WideHead(features=24), "head.classifier"),
    ],
)
def test_the_layers_of_the_classes_are_named(
    tmp_path: Path, head: Head, classifier: str | tuple[str, ...]
) -> None:
    assert make(written(tmp_path, network(head=head))).pretrained_cfg["classifier"] == classifier


# Methods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [each for each in HEADS.values() if each.name not in IN_COLUMNS])
def test_every_head_can_do_without_classifier_or_pooling(tmp_path: Path, head: type[Head]) -> None:
    model = make(written(tmp_path, network(head=head())))
    last = model.forward_features(IMAGES)
    pooled = model.forward_head(last, pre_logits=True)
    assert pooled.shape == (2, model.head_hidden_size)
    assert torch.equal(model.get_classifier()(pooled), model(IMAGES))
    single = last[:, :, :1, :1]  # one position needs no pooling
    alone = model.forward_head(single, pre_logits=True)
    model.reset_classifier(0, "")
    assert model.num_classes == 0 and model(IMAGES).shape == (2, model.head_hidden_size, 4, 4)
    assert torch.allclose(model.forward_head(single).flatten(1), alone, atol=1e-5)
    model.reset_classifier(0, "avg")
    assert torch.equal(model(IMAGES), pooled)
    model.reset_classifier(9)
    assert model(IMAGES).shape == (2, 9)


def test_maps_can_be_had_from_the_whole_network(file: str) -> None:
    model = make(file)
    with torch.no_grad():
        last, maps = model.forward_intermediates(IMAGES)
        assert [each.shape[1] for each in maps] == [8, 16]
        assert torch.equal(last, model.forward_features(IMAGES)) and torch.equal(last, maps[1])
        (only,) = model.forward_intermediates(IMAGES, indices=1, intermediates_only=True)
        assert torch.equal(only, maps[1])
        end, (first,) = model.forward_intermediates(IMAGES, indices=[0], stop_early=True)
        assert torch.equal(first, maps[0]) and torch.equal(end, first)
        assert torch.equal(model.forward_intermediates(IMAGES, indices=[-2])[0], last)


def test_branches_are_left_out_in_training_alone(file: str) -> None:
    model = make(file, drop_path_rate=0.9, drop_rate=0.5)
    assert torch.equal(run(model), run(make(file)))
    assert sorted(set(model.drop_path_rates.values())) == [0, 0.45, 0.9]
    model.train()
    torch.manual_seed(0)
    assert not torch.equal(run(model), run(model))
    # A rate close to 1 leaves only the stream: the last block's output is its input.
    model.set_drop_path(1 - 1e-9)
    model.drop_path_rates = dict.fromkeys(model.drop_path_rates, 1 - 1e-9)
    stem = model.stem(IMAGES)
    assert torch.equal(model.forward_intermediates(IMAGES, indices=[0])[1][0], stem)


def test_checkpointing_saves_tensors_and_changes_no_gradient(file: str) -> None:
    def gradients(enable: bool) -> tuple[Mapping[str, Tensor], int]:
        model = make(file).train()
        model.set_grad_checkpointing(enable)
        saved: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: saved.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            loss = model(IMAGES).square().sum()
        loss.backward()
        return {name: each.grad for name, each in model.named_parameters()}, sum(saved)

    (plain, many), (again, few) = gradients(False), gradients(True)
    assert few < many / 2
    assert all(torch.allclose(again[name], each, atol=1e-6) for name, each in plain.items())


def test_parameters_are_grouped_as_timm_does(file: str) -> None:
    model = make(file)
    vectors = {id(each) for each in split_parameters(nn.ModuleList(model.children()))[1]}
    parameters = dict(model.named_parameters())
    assert {id(parameters[name]) for name in model.no_weight_decay()} == vectors
    layers = group_parameters(model, model.group_matcher(), reverse=True)
    assert layers["stem.conv.weight"] == 0
    assert layers["stages.0.blocks.1.norm1.weight"] == 2
    assert (
        layers["stages.1.downsampling.conv.weight"] == layers["stages.1.blocks.0.norm1.bias"] == 3
    )
    assert layers["head.classifier.weight"] == 4
    coarse = group_parameters(model, model.group_matcher(coarse=True), reverse=True)
    assert coarse["stages.0.blocks.1.norm1.weight"] == 1 and coarse["head.norm.bias"] == 3
    groups = param_groups_layer_decay(model, 0.05, model.no_weight_decay(), layer_decay=0.5)
    assert {each["lr_scale"] for each in groups} == {0.5**power for power in range(5)}


def test_other_channels_keep_what_was_learned(file: str) -> None:
    grey = IMAGES[:, :1]
    alike = run(make(file), grey.expand(-1, 3, -1, -1))
    assert torch.allclose(run(make(file, in_chans=1), grey), alike, atol=1e-5)
    six = run(make(file, in_chans=6), grey.expand(-1, 6, -1, -1))
    assert torch.allclose(six, alike, atol=1e-5)
    assert make(file, in_chans=3).in_chans == 3


@pytest.mark.parametrize("name", COLUMNS)
def test_timm_makes_networks_of_columns(tmp_path: Path, name: str) -> None:
    architecture = COLUMNS[name]()
    path = written(tmp_path, architecture)
    images = torch.randn(2, *architecture.input, generator=torch.Generator().manual_seed(0))
    assert torch.equal(run(make(path), images), run(load_model(path), images))
    assert run(make(path, num_classes=7), images).shape == (2, 7)


@pytest.mark.parametrize("stem", [each for each in STEMS.values() if each.name not in IN_COLUMNS])
def test_every_stem_takes_other_channels_or_says_that_it_cannot(
    tmp_path: Path, stem: type[Stem]
) -> None:
    path = written(tmp_path, network(stem=stem()))
    try:
        model = make(path, in_chans=2)
    except InputError as error:
        assert "in_chans must be 3 for this network, since" in str(error)
    else:
        assert run(model, IMAGES[:, :2]).shape == (2, 5)


@pytest.mark.parametrize("features_only", [True, False])
def test_a_checkpoint_is_loaded_over_the_file(
    file: str, tmp_path: Path, features_only: bool
) -> None:
    tuned = make(file)
    with torch.no_grad():
        for each in tuned.parameters():
            each.mul_(1.5)
    torch.save(tuned.state_dict(), tmp_path / "tuned.pth")
    model = make(file, features_only=features_only, checkpoint_path=str(tmp_path / "tuned.pth"))
    found = run(model)[-1] if features_only else run(model)
    with torch.no_grad():
        assert torch.equal(
            found, tuned.forward_features(IMAGES) if features_only else tuned(IMAGES)
        )
    again = make(file, features_only=features_only, checkpoint_path=file)
    assert all(
        torch.equal(each, make(file).state_dict()[name])
        for name, each in again.state_dict().items()
    )


def test_it_can_be_copied(file: str) -> None:
    model = make(file, features_only=True)
    assert isinstance(model, FeatureNetwork)
    assert torch.equal(run(copy.deepcopy(model))[1], run(model)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"featurs_only": True}, r"must be one of .*features_only.*, but got 'featurs_only'; did"),
        (
            {"features_only": True, "out_indices": (2,)},
            r"from 0 to 1, as this network has 2 maps, of reduction 4, 8, but got \(2,\); for "
            r"segmentation_models_pytorch, encoder_depth=3$",
        ),
        ({"features_only": True, "out_indices": ()}, r"of reduction 4, 8, but got \(\)"),
        ({"out_indices": (1,)}, "out_indices must come with features_only"),
        ({"output_stride": 4}, "output_stride must be at least 8, .* but got 4; omit it$"),
        (
            {"features_only": True, "output_stride": 4},
            r"at least 8, .* got 4; omit it, or select only the first 1 maps .*_depth=2\)$",
        ),
        ({"global_pool": "max"}, "global_pool must be 'avg', .* or '' for maps, but got 'max'"),
        ({"global_pool": ""}, "num_classes must be 0 with global_pool '', but got 5"),
        ({"drop_rate": 1.0}, "drop_rate must be from 0 to below 1, but got 1.0"),
        ({"drop_path_rate": -0.1}, "drop_path_rate must be from 0 to below 1, but got -0.1"),
        ({"num_classes": -1}, "classes must be"),
        ({"in_chans": 0}, "channels must be"),
        (
            {"pretrained_cfg_overlay": {"maen": (0,)}},
            "pretrained_cfg .* did you mean 'mean'",
        ),
        ({"pretrained_cfg": "tag"}, "pretrained_cfg must be a mapping, but got 'tag'"),
        (
            {"file": None},
            "file must name a .safetensors file of nas export .checkpoint_path does not state",
        ),
        ({"file": "/nowhere.safetensors"}, "must be a whole safetensors file, but got '/nowhere"),
    ],
)
def test_what_cannot_be_is_one_clear_line(file: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make(**{"file": file, **options})
    assert "\n" not in str(error.value)


def test_branches_cannot_be_left_out_where_there_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, network(block=MetaFormerBlock(residual=NoResidual())))
    with pytest.raises(InputError, match=r"drop_path_rate must be 0 without residual sums"):
        make(path, drop_path_rate=0.1)
    with pytest.raises(
        InputError, match=r"in timm's registry must have only letters, digits and _, but got 'a\.b'"
    ):
        timm_model.register("a.b", path)
