"""Export to safetensors, loading, and errors."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import nas_explorer.results
import pytest
import torch
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.results.export import ExportError, Proof, export_model, load_model
from nas_explorer.results.export.formats import installed
from nas_explorer.results.export.header import make_header, read_facts
from nas_explorer.results.export.networks import fresh_network, trained_network
from nas_explorer.results.export.overwrite_guard import check_ours
from nas_explorer.results.export.proof import count_macs, prove
from nas_explorer.results.export.safetensors_file import SafetensorsFile
from nas_explorer.results.export.weights import read_weights, save_weights
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.levit import LevitAttention
from nas_explorer.search_space.components.mixers.trivial import RandomMixing
from nas_explorer.search_space.components.norms import BatchNorm
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..helpers import names, trained

T = TypeVar("T")

# The random mixer has a buffer, batch norm an integer one.
TINY = Architecture(
    input=Shape(3, 8, 8),
    classes=5,
    stem=PatchStem(),
    stages=(
        Stage(width=8, depth=1, blocks=(MetaFormerBlock(mixer=RandomMixing(), norm=BatchNorm()),)),
    ),
    head=PooledHead(),
)
IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def export(path: Path, **changes: Any) -> Proof:
    return export_model(TINY, path, **{"weights": None, "metadata": {}, "seed": 0, **changes})


def header(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def header_of(path: Path) -> dict[str, str]:
    """Return the header without the entries made for the weights."""
    return {key: text for key, text in header(path).items() if key not in ("sha256", "format")}


def scores(network: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        return network(IMAGES)


def test_loading_back_gives_the_same_scores(tmp_path: Path) -> None:
    weights = trained(TINY)
    proof = export(tmp_path / "net.safetensors", weights=weights)
    loaded = load_model(tmp_path / "net.safetensors")
    source = TINY.build().eval()
    source.load_state_dict(weights)
    assert torch.equal(scores(loaded), scores(source))
    assert not loaded.training
    assert loaded.architecture.digest == TINY.digest
    assert (proof.format, proof.inputs, proof.absolute, proof.relative) == ("safetensors", 10, 0, 0)
    assert proof.agreement == 1
    assert proof.parameters == sum(p.numel() for p in source.parameters())
    assert proof.macs == count_macs(source, TINY.input)
    assert proof.stored is None and not proof.folded
    assert proof.size == (tmp_path / "net.safetensors").stat().st_size


def test_the_package_offers_load_model() -> None:
    assert nas_explorer.results.load_model is load_model
    with pytest.raises(AttributeError, match="lode_model"):
        nas_explorer.results.lode_model  # noqa: B018


def test_fresh_weights_follow_the_seed_and_leave_the_generator(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        export(tmp_path / f"{name}.safetensors", seed=seed)
    a, b, c = (scores(load_model(tmp_path / f"{name}.safetensors")) for name in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(before, torch.get_rng_state())


def test_the_file_says_where_its_weights_come_from(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    export(path, metadata={"study": "first", "training": "ignored"}, seed=3)
    assert json.loads(header(path)["metadata"]) == {
        "study": "first",
        "training": "untrained",
        "seed": 3,
    }
    export(path, weights=trained(TINY), metadata={"training": "5 epochs"})
    assert json.loads(header(path)["metadata"]) == {"training": "5 epochs"}
    export(path, weights=trained(TINY))
    assert json.loads(header(path)["metadata"]) == {"training": "not stated"}


def test_a_card_lies_beside_it(tmp_path: Path) -> None:
    data = {"name": "digits", "resolution": None}
    facts = {"study": "first", "data": data, "search": {"of": data, "seed": None}}
    proof = export(tmp_path / "net.safetensors", metadata=facts)
    text = (tmp_path / "net.safetensors.md").read_text()
    assert "- name: digits\n- resolution: none\n" in text
    assert "- of: name digits, resolution none\n- seed: none\n" in text
    card = json.loads((tmp_path / "net.json").read_text())
    assert Architecture.from_json(card["architecture"]) == TINY.canonical
    assert card["digest"] == TINY.digest
    assert card["metadata"]["study"] == "first"
    assert Proof(**card["proof"]) == proof
    sha256 = hashlib.sha256((tmp_path / "net.safetensors").read_bytes()).hexdigest()
    assert card["sha256"] == {"net.safetensors": sha256}
    assert card["environment"]["nas-explorer"] == version("nas-explorer")
    assert names(tmp_path) == ["net.json", "net.safetensors", "net.safetensors.md"]


def test_what_is_not_as_recorded_is_refused(tmp_path: Path) -> None:
    counts = {"params": {"value": 1054}}
    with pytest.raises(ExportError, match="have the recorded 1,054 parameters, but has 1,053"):
        export(tmp_path / "net.safetensors", metadata={"measurements": counts})
    assert names(tmp_path) == []
    counts = {"params": {"value": 900, "training_form": 1053}, "macs": {"value": 3752}}
    export(tmp_path / "net.safetensors", metadata={"measurements": counts})
    card = (tmp_path / "net.safetensors.md").read_text()
    assert "- parameters: 1,053 recorded as trained, 1,053 recounted in the file\n" in card
    assert "- multiply-adds: 3,752 recorded, 3,752 recounted in the file\n" in card


def test_facts_that_are_no_mapping_are_refused() -> None:
    assert read_facts({"metadata": '{"a": 1}'}) == {"a": 1}
    for header in ({}, {"metadata": "[]"}, {"metadata": "{"}):
        with pytest.raises(InputError, match="metadata of a model file must be a JSON object"):
            read_facts(header)


def test_a_card_of_an_earlier_version_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors.md").write_text("<!-- nas_explorer 1 -->\n# 8x1 random\n")
    export(tmp_path / "net.safetensors")
    assert "## Scores" in (tmp_path / "net.safetensors.md").read_text()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, Path()])
def test_metadata_that_are_not_json_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match="metadata of a model file must be JSON values, but: "):
        export(tmp_path / "net.safetensors", metadata={"note": value})
    assert names(tmp_path) == []


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (0, 3, 8, 8), (3, 8, 8)])
def test_images_that_do_not_fit_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"images must be \(N, 3, H, W\) with N at least 1, but"):
        export(tmp_path / "net.safetensors", images=torch.zeros(shape))
    assert names(tmp_path) == []


@pytest.mark.parametrize(("key", "value"), [("std", "inf"), ("std", 0), ("mean", "nan")])
def test_a_preparation_that_cannot_be_done_is_not_recorded(key: str, value: object) -> None:
    whole = Preparation(
        side=8, interpolation="bilinear", mean=(1.0,), std=(2.0,), classes=("a", "b")
    )
    reported = whole.to_json()
    assert Preparation.of({"preparation": reported}) == whole
    assert Preparation.of({"preparation": {**reported, key: [value]}}) is None


@pytest.mark.slow
@pytest.mark.usefixtures("one_onnx_table")
@pytest.mark.parametrize("ending", installed())
def test_what_an_export_wrote_is_replaced_and_nothing_else(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"net{ending}"
    export(path)
    contents = {each: each.read_bytes() for each in tmp_path.iterdir()}
    assert len(contents) == (3 if ending in (".safetensors", ".py", ".xml", ".param") else 2)
    save_file({"other": torch.zeros(2)}, tmp_path / "other")
    others = [
        *(b"", b"import nas_explorer\n", b'{"name": "nas_explorer"}', b"[1]", b'"nas_explorer"'),
        (tmp_path / "other").read_bytes(),
    ]
    for each, ours in contents.items():
        for other in others:
            each.write_bytes(other)
            with pytest.raises(InputError, match=r"written by nas-explorer to be .* but '.*net\."):
                export(path)
            assert each.read_bytes() == other
        each.write_bytes(ours)
    export(path, metadata={"search": {"study": "second"}})
    assert {*tmp_path.iterdir()} == {*contents, tmp_path / "other"}
    card = path.with_name(f"{path.name}.md")
    assert b"second" in card.read_bytes() and b"second" not in contents[card]


@pytest.mark.slow
@pytest.mark.usefixtures("one_onnx_table")
def test_weights_in_a_second_file_belong_to_one_model(tmp_path: Path) -> None:
    export(tmp_path / "net.xml")
    whole = (tmp_path / "net.bin").read_bytes()
    with pytest.raises(InputError, match=r"net\.bin' must belong to 'net\.param' .* 'net\.xml'"):
        check_ours(tmp_path / "net.param")
    (tmp_path / "net.bin").write_bytes(whole[1:])
    with pytest.raises(InputError, match=r"written by nas-explorer to be .* but '.*net\.bin' is"):
        check_ours(tmp_path / "net.xml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "net.pt",
            r"ending of a model file must be one of \.mnn, \.onnx, .*, but got '\.pt'; did you "
            r"mean",
        ),
        ("net", r"ending .* but got ''"),
        ("missing/net.safetensors", r"folder of a model file must exist, but got '.*missing/net"),
        ("folder.safetensors", r"must not be a folder, but got '.*folder"),
    ],
)
def test_bad_places_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match=message):
        export(tmp_path / name)


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_one_line_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    export(path, seed=1)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(InputError, match=r"must be writable, but got '.*': No space left") as error:
        export(path, seed=2)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["net.json", "net.safetensors", "net.safetensors.md"]


def without(name: str, items: dict[str, T]) -> dict[str, T]:
    return {key: each for key, each in items.items() if key != name}


BIAS = "head.classifier.bias"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(BIAS, w), f"lack '{BIAS}'"),
        (
            lambda w: {**w, "tail.bias": torch.zeros(5)},
            "hold 'tail.bias', which the architecture lacks",
        ),
        (lambda w: {**w, BIAS: torch.zeros(6)}, f"'{BIAS}' is 6 of float32 and must be 5 of"),
        (lambda w: {**w, BIAS: w[BIAS].double()}, f"'{BIAS}' is 5 of float64 and must be"),
        (lambda w: {}, r"lack '.*', '.*', '.*' and \d+ more"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str
) -> None:
    weights = change(trained(TINY))
    with pytest.raises(InputError, match=f"must fit the architecture, but .*{message}"):
        export(tmp_path / "net.safetensors", weights=weights)
    assert names(tmp_path) == []

    export(tmp_path / "net.safetensors")
    save_weights(tmp_path / "changed.safetensors", weights, header_of(tmp_path / "net.safetensors"))
    with pytest.raises(InputError, match=f"'.*changed.*': .*must fit .*{message}"):
        load_model(tmp_path / "changed.safetensors")


def test_a_header_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    export(path)
    wider = TINY.to_json() | {"classes": 6}
    cases = {
        "digest .* must be that of its architecture, .*, but is 'beef'": {"digest": "beef"},
        "digest .* must be": {"architecture": json.dumps(wider)},
        "must describe its architecture, but: .*must be a mapping": {"architecture": "7"},
        "must describe its architecture, but: ": {"architecture": "{"},
        "version of a model file must be 2, but is '1'": {"nas_explorer": "1"},
    }
    weights = read_weights(path)[0]
    rest = header_of(path)
    for message, changes in cases.items():
        save_weights(path, weights, {**rest, **changes})
        with pytest.raises(InputError, match=message) as error:
            load_model(path)
        assert "\n" not in str(error.value)
        assert "net.safetensors" in str(error.value)


@pytest.mark.parametrize("key", ["nas_explorer", "digest", "architecture", "metadata", "sha256"])
def test_what_is_recorded_is_under_the_checksum(tmp_path: Path, key: str) -> None:
    path = tmp_path / "net.safetensors"
    export(path, metadata={"licence": "MIT"})
    weights, whole = read_weights(path)
    save_file(weights, path, metadata={**whole, key: f"{whole[key]} "})
    with pytest.raises(InputError, match="its checksum is wrong"):
        load_model(path)
    save_file(weights, path, metadata=without("sha256", whole))
    with pytest.raises(InputError, match="it lacks the checksum"):
        load_model(path)


def test_a_header_that_asks_for_more_than_the_file_has_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    export(path)
    wide = replace(TINY, stages=(replace(TINY.stages[0], width=500_000),))  # 1 TB
    save_weights(path, read_weights(path)[0], {**header_of(path), **make_header(wide, {})})
    with pytest.raises(InputError, match=r"must fit the architecture, but .* must be 500000"):
        load_model(path)
    huge = replace(TINY, input=Shape(3, 1_000_000, 1_000_000))  # a matrix of positions x positions
    save_weights(path, read_weights(path)[0], {**header_of(path), **make_header(huge, {})})
    with pytest.raises(InputError, match="have tensors of possible sizes, but: ") as error:
        load_model(path)
    assert "\n" not in str(error.value)
    block = MetaFormerBlock(mixer=LevitAttention())  # makes a table of positions x positions
    stage = Stage(width=8, depth=1, blocks=(block,))
    large = replace(TINY, input=Shape(3, 4096, 4096), stages=(stage,))
    with torch.device("meta"):
        weights = large.build().state_dict()
    with pytest.raises(InputError, match=r"tensors .* at most 4\.3 GB, but take 8796\.1 GB"):
        trained_network(large, weights)


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="it lacks the checksum of nas-explorer"):
        load_model(tmp_path / "other.safetensors")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "pickle.safetensors")
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pickle", "empty", "folder", "missing"):
        with pytest.raises(InputError, match=rf"whole safetensors file, but got .*{name}") as error:
            load_model(tmp_path / f"{name}.safetensors")
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"must end in \.safetensors, but got 'net\.onnx'"):
        load_model("net.onnx")


def test_damage_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    export(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError):
            load_model(path)
    for place in range(0, len(whole), 61):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match="must be a whole safetensors file"):
            load_model(path)


def perturb_a_bias(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {**weights, BIAS: weights[BIAS] + 1e-3}


def swap_two_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    one, other = "stages.0.blocks.0.norm1.weight", "stages.0.blocks.0.norm2.weight"
    return {**weights, one: weights[other], other: weights[one]}


@pytest.mark.parametrize("tamper", [perturb_a_bias, swap_two_weights])
def test_a_file_that_differs_is_refused_and_removed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tamper: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
) -> None:
    from nas_explorer.results.export import safetensors_file

    encode = safetensors_file.encode_weights
    monkeypatch.setattr(
        safetensors_file, "encode_weights", lambda w, header: encode(tamper(w), header)
    )
    with pytest.raises(ExportError, match=r"differs by up to [\d.e-]+ \(relative .* of 10 images"):
        export(tmp_path / "net.safetensors", weights=trained(TINY))
    assert names(tmp_path) == []


def test_weights_without_effect_on_the_scores_are_compared_too(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    weights = trained(TINY)
    counter = "stages.0.blocks.0.norm1.num_batches_tracked"
    export(path, weights={**weights, counter: weights[counter] + 1})
    network = fresh_network(TINY, seed=0)
    network.load_state_dict(weights)
    with pytest.raises(ExportError, match=f"weights, but '{counter}' differs by up to 1"):
        prove(network, path, SafetensorsFile())


def test_scores_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    weights = {**trained(TINY), BIAS: torch.full((5,), float("nan"))}
    with pytest.raises(ExportError, match="scores of the network must be finite, but 5 of 5"):
        export(tmp_path / "net.safetensors", weights=weights)
    assert names(tmp_path) == []
