"""Weights that a network inherits import re
from another one, or from timm."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.dataset import DataSpec, load_search_data
from nas_explorer.evaluators.accuracy.evaluator import AccuracyEvaluator
from nas_explorer.evaluators.accuracy.inherit import Source, inherit
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.results.export.header import make_header
from nas_explorer.results.export.weights import save_weights
from nas_explorer.results.final.sources import described, with_teacher
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import ZOO, zoo_entry
from nas_explorer.searchers.run.start_weights import kept_start, kept_teacher, read_start

from ..helpers import trained

CLASSES = ("a", "b", "c")


def architecture(
    *, width: int = 8, depth: int = 2, kernel: int = 3, ratio: float = 2.0, norm: str = "layer_norm"
) -> Architecture:
    block: dict[str, Any] = {
        "name": "metaformer",
        "mixer": {"name": "separable_conv", "kernel_size": kernel},
        "channel_mixer": {"name": "mlp", "ratio": ratio, "activation": "relu"},
        "norm": {"name": norm},
        "residual": {"name": "plain"},
    }
    return Architecture.from_json(
        {
            "input": [1, 8, 8],
            "classes": 3,
            "stem": {"name": "patch", "patch_size": 2, "norm": {"name": norm}},
            "stages": [{"width": width, "depth": depth, "blocks": [block] * depth}],
            "head": {"name": "pooled", "norm": {"name": "none"}},
        }
    )


def source(given: Architecture, classes: tuple[str, ...] | None = CLASSES) -> Source:
    return Source(name="other", architecture=given, weights=trained(given), classes=classes)


def test_an_equal_network_inherits_all() -> None:
    given = source(architecture())
    network = Network(architecture())
    found = inherit(network, given, CLASSES)
    assert (found.part, found.fresh, found.preserved) == (0, 0, True)
    assert all(torch.equal(v, given.weights[n]) for n, v in network.state_dict().items())
    assert "it begins with the function of its source" in found.text()


@pytest.mark.parametrize(
    "changes",
    [{"depth": 4}, {"kernel": 5}, {"ratio": 3.0}, {"depth": 3, "kernel": 7, "ratio": 4.0}],
    ids=str,
)
def test_a_larger_network_begins_with_the_function_of_its_source(changes: dict[str, Any]) -> None:
    network = Network(architecture(**changes))
    found = inherit(network, source(architecture()), CLASSES)
    assert found.preserved and found.difference is not None and found.difference < 1e-5
    assert found.part or found.fresh
    total = sum(each.numel() for each in network.parameters())
    assert found.whole + found.part + found.fresh == total


def test_new_layers_still_learn() -> None:
    network = Network(architecture(depth=3, ratio=3.0))
    inherit(network, source(architecture()), CLASSES)
    network.train()(torch.randn(4, 1, 8, 8)).square().sum().backward()
    state = dict(network.named_parameters())
    grown = [n for n in state if n.startswith("stages.0.blocks.2") and n.endswith("weight")]
    assert any(float(state[name].grad.abs().max()) > 0 for name in grown)  # type: ignore[union-attr]


def test_a_wider_network_with_batch_norms_keeps_the_function() -> None:
    narrow, wide = (architecture(width=width, norm="batch_norm") for width in (8, 12))
    network = Network(wide)
    found = inherit(network, source(narrow), CLASSES)
    assert found.preserved and found.part


def test_a_wider_network_with_layer_norms_says_that_it_differs() -> None:
    network = Network(architecture(width=12))
    found = inherit(network, source(architecture()), CLASSES)
    assert not found.preserved and "its function differs" in found.text()


def test_a_smaller_network_takes_a_crop() -> None:
    given = source(architecture(depth=3, kernel=5))
    network = Network(architecture(depth=2, kernel=3, width=4))
    found = inherit(network, given, CLASSES)
    assert found.fresh == 0 and found.part > 0 and not found.preserved
    name = next(n for n, v in network.state_dict().items() if tuple(v.shape[2:]) == (3, 3))
    value = network.state_dict()[name]
    assert torch.equal(value, given.weights[name][: value.shape[0], :, 1:-1, 1:-1])


@pytest.mark.parametrize("classes", [("a", "b", "d"), None])
def test_the_classifier_of_other_classes_is_fresh(classes: tuple[str, ...] | None) -> None:
    network = Network(architecture())
    before = {n: v.clone() for n, v in network.state_dict().items() if "classifier" in n}
    found = inherit(network, source(architecture(), classes), CLASSES)
    assert found.fresh_parts == ("head",) and found.difference is None
    assert all(torch.equal(network.state_dict()[n], v) for n, v in before.items())


def test_blocks_are_aligned_however_they_are_divided_into_stages() -> None:
    """As in a space around a network, where each run of equal blocks is a stage."""
    whole = architecture(depth=4).to_json()
    other = json.loads(json.dumps(whole["stages"][0]["blocks"][0]))
    other["mixer"] = {"name": "pooling", "kernel_size": 3}
    block = whole["stages"][0]["blocks"][0]
    whole["stages"][0]["blocks"] = [block, block, other, block]
    runs = [([block], 2), ([other], 1), ([block], 2)]
    divided = {
        **whole,
        "stages": [
            {"width": 8, "depth": depth, "blocks": blocks, "downsampling": {"name": "none"}}
            for blocks, depth in runs
        ],
    }
    del divided["stages"][0]["downsampling"]
    network = Network(Architecture.from_json(divided))
    found = inherit(network, source(Architecture.from_json(whole)), CLASSES)
    assert found.preserved and {each[:17] for each in found.fresh_parts} == {"stages.2.blocks.1"}


def test_another_component_inherits_nothing() -> None:
    given = architecture().to_json()
    given["stages"][0]["blocks"][0]["mixer"] = {"name": "pooling", "kernel_size": 3}
    network = Network(architecture())
    found = inherit(network, source(Architecture.from_json(given)), CLASSES)
    assert any(each.startswith("stages.0.blocks.0.") for each in found.fresh_parts)
    assert not any(each.startswith("stages.0.blocks.1.") for each in found.fresh_parts)


def test_the_short_training_begins_with_the_weights_that_its_recipe_names(tmp_path: Path) -> None:
    data = load_search_data(DataSpec(name="digits"))
    ten = replace(architecture(), classes=10)
    given = source(ten, data.classes)
    stored = {"init": described(given)}
    path = kept_start(tmp_path, stored, given)
    assert path is not None and kept_start(tmp_path, stored) == path
    read = read_start(Path(path))
    assert read.architecture.digest == given.architecture.digest and read.classes == given.classes
    assert all(torch.equal(read.weights[name], each) for name, each in given.weights.items())
    recipe = Recipe(epochs=1, batch_size=256, lr=1e-12, init=stored["init"])
    options: dict[str, Any] = {"data": data, "seed": 0, "device": torch.device("cpu")}
    kept: list[Any] = []
    evaluator = AccuracyEvaluator(
        recipe=recipe, start=read, keep=lambda *found: kept.append(found[1]), **options
    )
    (measured,) = evaluator.evaluate(replace(ten, stages=(replace(ten.stages[0], depth=3),)))
    told = measured.provenance["inheritance"]
    assert told.endswith("it begins with the function of its source")
    assert torch.allclose(
        kept[0]["head.classifier.weight"], given.weights["head.classifier.weight"]
    )
    for wrong in ({"recipe": recipe}, {"recipe": Recipe(), "start": read}):
        with pytest.raises(InputError, match="begin with the weights that the recipe names"):
            AccuracyEvaluator(**wrong, **options)


@pytest.fixture(scope="module")
def timm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights that timm makes at random, as a user would have it."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    model = timm.create_model("convnext_atto", pretrained=False)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.02 * torch.randn_like(each))
    save_file(model.state_dict(), path)
    return path


@pytest.mark.slow
def test_timms_weights_give_timms_scores_and_go_to_other_networks(timm_file: Path) -> None:
    from nas_explorer.results.final.timm_weights import timm_source

    given = timm_source("convnext_atto", timm_file)
    same = Network(given.architecture)
    assert inherit(same, given, CLASSES).fresh_parts == ("head",)
    small = replace(given.architecture, input=Shape(1, 128, 128), classes=3)
    deeper = replace(small, stages=(replace(small.stages[0], depth=3), *small.stages[1:]))
    network = Network(deeper)
    found = inherit(network, given, CLASSES)
    fresh = {each for each in found.fresh_parts if each != "head"}
    assert fresh and all(each.startswith("stages.0.blocks.2.") for each in fresh)
    stem = next(n for n in network.state_dict() if n.startswith("stem") and "conv" in n)
    ours, theirs = network.state_dict()[stem], given.weights[stem]
    assert torch.allclose(ours, theirs.sum(1, keepdim=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("convnext_nano", "must be readable from file"),
        ("van_b0", "must name a network of timm, but got 'van_b0'"),
        ("convnext_ato", "must go by a known name, but got 'convnext_ato'"),
    ],
)
def test_timms_weights_that_do_not_fit_are_refused(name: str, says: str, timm_file: Path) -> None:
    from nas_explorer.results.final.timm_weights import timm_source

    with pytest.raises(InputError, match=says) as caught:
        timm_source(name, timm_file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_timms_weights_is_refused(tmp_path: Path) -> None:
    from nas_explorer.results.final.timm_weights import timm_source

    with pytest.raises(InputError, match="file of timm's weights must exist, but got"):
        timm_source("convnext_atto", tmp_path / "none.bin")


@pytest.mark.slow
def test_a_function_that_is_not_timms_is_refused(tmp_path: Path) -> None:
    """TensorFlow's padding differs from ours."""
    import timm
    from nas_explorer.results.final.timm_weights import timm_source
    from safetensors.torch import save_file

    torch.manual_seed(3)
    model = timm.create_model("tf_efficientnet_cc_b0_4e", pretrained=False)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="function of a published network must be timm's for"):
        timm_source("tf_efficientnet_cc_b0_4e", tmp_path / "weights.safetensors")


def test_names_of_vit_and_deit_give_the_weights_that_they_name() -> None:
    from nas_explorer.results.final.timm_weights import timms_name

    asked = {
        "DeiT-Ti": "deit_tiny_patch16_224",
        "DeiT-S": "deit_small_patch16_224",
        "DeiT-B": "deit_base_patch16_224",
        "ViT-B/16": "vit_base_patch16_224",
        "vit_b_16": "vit_base_patch16_224",
        "deit_base_patch16_384.fb_in1k": "deit_base_patch16_384",
        "vit_base_patch16_384.augreg_in1k": "vit_base_patch16_384",
    }
    for name, theirs in asked.items():
        assert timms_name(zoo_entry(name), name) == theirs
    of_both = [each for each in ZOO.values() if each.name.startswith(("vit_", "deit"))]
    entries = [each for each in of_both if timms_name(each, each.name)]  # timm lacks some sizes
    assert len(entries) > 20
    for entry in entries:
        assert timms_name(entry, entry.name) == entry.name
        for name in entry.aliases:
            theirs = timms_name(entry, name)
            assert theirs is not None
            assert theirs.startswith("deit") == name.lower().startswith("deit")
            assert theirs.partition("_")[2] == entry.name.partition("_")[2]


def test_a_tag_names_the_weights_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from nas_explorer.results.final.timm_weights import timm_source

    def asked(name: str, *, pretrained: bool) -> None:
        raise ValueError(f"asked for {name}")

    monkeypatch.setattr(timm, "create_model", asked)
    for name in ("resnet18.a1_in1k", "resnet18"):
        with pytest.raises(InputError, match=f"asked for {name}$"):
            timm_source(name)
    with pytest.raises(InputError, match=r"tag of .* resnet18 must be one of a1_in1k, .*'b7_in1k'"):
        timm_source("resnet18.b7_in1k")


@pytest.mark.slow
def test_a_name_of_ours_finds_that_of_timm(tmp_path: Path) -> None:
    import timm
    from nas_explorer.results.final.timm_weights import timm_source
    from safetensors.torch import save_file

    torch.manual_seed(3)
    model = timm.create_model("repvit_m0_9", pretrained=False)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    given = timm_source("RepViT-M0.9", tmp_path / "weights.safetensors")
    found = inherit(Network(given.architecture), given, CLASSES)
    assert found.fresh_parts == ("head",)


def test_the_teacher_of_a_recipe_is_named_checked_and_kept(tmp_path: Path) -> None:
    given = source(architecture())
    file = tmp_path / "teacher.safetensors"
    save_weights(file, given.weights, make_header(architecture(), {}))
    options, teacher = with_teacher({"distill": str(file), "sam": 0.1})
    assert teacher is not None
    assert options == {"distill": described(teacher), "sam": 0.1}
    assert options["distill"].startswith("teacher.safetensors (")
    stored = Recipe(options=options).to_json()
    path = kept_teacher(tmp_path / "kept", stored, teacher)
    assert path is not None and kept_teacher(tmp_path / "kept", stored) == path
    read = read_start(Path(path))
    assert all(torch.equal(read.weights[name], each) for name, each in given.weights.items())
    assert kept_teacher(tmp_path, Recipe().to_json()) is None
    assert with_teacher({"sam": 0.1}) == ({"sam": 0.1}, None)
