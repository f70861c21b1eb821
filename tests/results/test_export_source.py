"""Export to source and to torch.export: every component, and errors."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.results.export import ExportError, Proof, export_model, python_file
from nas_explorer.results.export.networks import fresh_network, trained_network
from nas_explorer.results.export.proof import prove
from nas_explorer.results.export.pt2_file import Pt2File
from nas_explorer.results.export.python_file import PythonFile, python_source
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import (
    Component,
    Downsampling,
    Head,
    Stem,
    field_kinds,
)
from nas_explorer.search_space.components.blocks import ConvNeXtBlock, MetaFormerBlock
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.attention import Attention
from nas_explorer.search_space.components.mixers.convolution import SeparableConv
from nas_explorer.search_space.components.norms import BatchNorm
from nas_explorer.search_space.components.residuals import LayerScaleResidual
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.components.wired import Block
from nas_explorer.search_space.shapes import Shape
from PIL import Image
from torch import Tensor, nn

from ..columns import COLUMNS, IN_COLUMNS
from ..helpers import names, trained

TINY = Architecture(
    input=Shape(3, 8, 8),
    classes=5,
    stem=ConvStem(norm=BatchNorm()),
    stages=(
        Stage(
            width=16,
            depth=3,
            blocks=(
                MetaFormerBlock(mixer=SeparableConv(), residual=LayerScaleResidual()),
                MetaFormerBlock(mixer=Attention(head_dim=8)),
                ConvNeXtBlock(),
            ),
        ),
    ),
    head=PooledHead(),
)
IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def export(path: Path, **changes: Any) -> Proof:
    values = {"weights": trained(TINY), "metadata": {}, "seed": 0, **changes}
    return export_model(TINY, path, **values)


def kinds_of(architecture: Architecture) -> set[type[Component]]:
    """Return the classes of stem, blocks, downsamplings and head."""
    values: list[Component] = [architecture.stem, architecture.head]
    for stage in architecture.stages:
        values += [*stage.blocks, *([stage.downsampling] if stage.downsampling else [])]
    return {type(each) for each in values}


def with_component(component: Component) -> Architecture:
    """Return a small network with the component."""
    if component.name in IN_COLUMNS:
        networks = [make() for make in COLUMNS.values()]
        return next(each for each in networks if type(component) in kinds_of(each))
    width = 32
    small = Stage(width=width, depth=1, blocks=(MetaFormerBlock(),))
    values: dict[str, Any] = {"stem": ConvStem(), "stages": (small,), "head": PooledHead()}
    match component:
        case Stem():
            values["stem"] = component
        case Head():
            values["head"] = component
        case Downsampling():
            values["stages"] = (small, replace(small, downsampling=component))
        case Block():
            values["stages"] = (replace(small, blocks=(component,)),)
        case _:
            kinds = field_kinds(MetaFormerBlock)
            field = next(name for name, kind in kinds.items() if isinstance(component, kind))
            block = MetaFormerBlock(**{field: component})
            values["stages"] = (replace(small, blocks=(block,)),)
    return Architecture(input=Shape(3, 16, 16), classes=5, **values)


def components() -> Iterator[Any]:
    for table in TABLES.values():
        for cls in table.values():
            yield pytest.param(cls(), id=f"{cls.kind}-{cls.name}".replace(" ", "_"))


def source_of(architecture: Architecture) -> str:
    return python_source(architecture, weights_sha256="", preparation=None)


def run(source: str, path: Path = Path("exported.py")) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "exported", "__file__": str(path)}
    exec(compile(source, str(path), "exec"), space)
    return space


@pytest.mark.parametrize("component", components())
def test_the_source_of_every_component_computes_the_same(component: Component) -> None:
    architecture = with_component(component)
    source = source_of(architecture)
    assert "nas_explorer" not in source and len(max(source.splitlines(), key=len)) < 140
    weights = trained(architecture)
    network = fresh_network(architecture, seed=0)
    network.load_state_dict(weights)
    alone: nn.Module = run(source)["Net"]().eval()
    alone.load_state_dict(weights)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(alone(images), network(images))


# Run in isolation from this environment's variables and folders (-I), with only torch and its
# declared requirements (and those of sympy).
ALONE = """
import sys, torch, torch.export, json, re
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from importlib.metadata import requires
there = {name.partition(".")[0] for name in sys.modules} | {*sys.stdlib_module_names, "net"}
there |= {re.match(r"\\w+", each.replace("-", "_"))[0] for each in requires("torch")} | {"mpmath"}
class Only(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        known = name.partition(".")[0] in there
        return PathFinder.find_spec(name, path, target) if known else None
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Only]
try:
    import nas_explorer
    sys.exit("nas_explorer must not be there")
except ModuleNotFoundError:
    pass
sys.path.insert(0, sys.argv[1])
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Proof]:
    """Return an exported program in a folder with only the files written with it."""
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    return path, export(path, images=IMAGES)


@pytest.mark.slow
def test_it_runs_where_there_is_torch_alone(tmp_path: Path, program: tuple[Path, Proof]) -> None:
    path, _ = program
    assert names(path.parent) == ["net.pt2", "net.pt2.md"]
    export(tmp_path / "net.py")
    assert names(tmp_path) == ["net.py", "net.py.md", "net.py.safetensors"]
    with torch.no_grad():
        expected = trained_network(TINY, trained(TINY))(IMAGES)
    (tmp_path / "images.json").write_text(json.dumps(IMAGES.tolist()))
    code = (
        f"{ALONE}import net; models = net.load(), torch.export.load(sys.argv[2]).module()\n"
        "images = torch.tensor(json.load(open(sys.argv[1] + '/images.json')))\n"
        "print(json.dumps([model(images).tolist() for model in models]))"
    )
    command = [sys.executable, "-I", "-c", code, str(tmp_path), str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    scores = json.loads(done.stdout)
    assert len(scores) == 2
    for each in scores:
        assert torch.allclose(torch.tensor(each), expected, atol=1e-5)


def test_the_source_names_the_papers_of_its_parts_and_of_no_other() -> None:
    source = source_of(TINY)
    assert "MobileNetV2" in source and "Vaswani" in source
    assert "InceptionNeXt" not in source


def test_the_source_prepares_images_as_the_training_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.py"
    preparation = Preparation(
        side=8,
        interpolation="bicubic",
        mean=(100.0, 110.0, 120.5),
        std=(50.0, 60.0, 70.0),
        megapixels=1,
        classes=("a 'quoted' one", '"""\nimport os', "\\", "é", "e"),
    )
    export(path, metadata={"preparation": preparation.to_json()})
    net = run(path.read_text(), path)
    assert net["CLASSES"] == preparation.classes
    images = torch.randint(0, 256, (2, 3, 21, 30), dtype=torch.uint8)
    assert torch.equal(net["prepare"](images), preparation(images))
    Image.fromarray(images[0].permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow rejects more than twice as many
        found = net["prepare"](tmp_path / "a.png")
    assert torch.equal(found, preparation(tmp_path / "a.png"))
    Image.new("1", (1001, 1000)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"at most 1 megapixels, but '.*b\.png' has 1\.001"):
        net["prepare"](tmp_path / "b.png")
    assert "turned as EXIF says" in net["__doc__"] and "transparent places" in net["__doc__"]
    assert "prepare" not in source_of(TINY).split('"""')[2]


def test_a_preparation_that_is_not_stated_wholly_is_none() -> None:
    whole = Preparation(side=8, interpolation="bilinear", mean=(1.0,), std=(2.0,), classes=("a",))
    reported = whole.to_json()
    assert Preparation.of({"preparation": json.loads(json.dumps(reported))}) == whole
    for facts in ({}, {"preparation": "not stated"}, {"preparation": {**reported, "mean": "high"}}):
        assert Preparation.of(facts) is None
    assert Preparation.of({"preparation": {**reported, "interpolation": "'); import os"}}) is None


def test_the_source_refuses_other_weights_than_its_own(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    export(path)
    net = run(path.read_text(), path)
    beside = tmp_path / "net.py.safetensors"
    net["load"]()
    before = beside.read_bytes()
    beside.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"must be those written with this file, but .* others"):
        net["load"]()
    assert isinstance(net["load"](beside), nn.Module)  # other weights, by their path


def swap(text: str, one: str, other: str) -> str:
    assert one in text and other in text
    return text.replace(one, "<>").replace(other, one).replace("<>", other)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda text: text.replace("scaled_dot_product_attention(q_BhNd", "relu(q_BhNd +0*("),
        lambda text: text.replace("        mixer = self.mixer(norm1)", "        mixer = norm1"),
        lambda text: swap(text, "Block1(), ", "Block3()"),
        lambda text: text.replace("residual1_add = x + ", "residual1_add = "),
    ],
)
def test_a_source_that_differs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tamper: Any
) -> None:
    write = python_file.python_source

    def tampered(*arguments: Any, **named: Any) -> str:
        whole = write(*arguments, **named)
        assert tamper(whole) != whole
        return tamper(whole)

    monkeypatch.setattr(python_file, "python_source", tampered)
    with pytest.raises(ExportError, match=r"differs by up to|must load, but") as error:
        export(tmp_path / "net.py")
    assert "\n" not in str(error.value)
    assert names(tmp_path) == []


def test_what_cannot_be_written_as_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Local(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    monkeypatch.setattr(Attention, "build", lambda self, shape: Local())
    with pytest.raises(ExportError, match=r"top level of a module, but .*Local"):
        export(tmp_path / "net.py", weights=None)
    assert names(tmp_path) == []


@pytest.mark.slow
def test_a_program_loads_without_our_code_for_any_batch(program: tuple[Path, Proof]) -> None:
    path, proof = program
    assert (proof.format, proof.real, proof.agreement) == ("torch.export", 3, 1)
    assert proof.relative < 1e-5 and proof.latency_ratio > 0
    network = trained_network(TINY, trained(TINY))
    loaded = torch.export.load(path).module()
    for count in (1, 3):
        with torch.no_grad():
            assert torch.allclose(loaded(IMAGES[:count]), network(IMAGES[:count]), atol=1e-5)


@pytest.mark.slow
def test_a_program_of_other_weights_or_none_is_refused(
    tmp_path: Path, program: tuple[Path, Proof]
) -> None:
    path = Path(shutil.copy(program[0], tmp_path))
    network = fresh_network(TINY, seed=0)
    network.load_state_dict({**trained(TINY), "head.classifier.bias": torch.ones(5)})
    with pytest.raises(ExportError, match="differs by up to"):
        prove(network, path, Pt2File())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ExportError, match="the program must load, but: "):
        prove(network, path, Pt2File())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nothing", "")
    with pytest.raises(ExportError, match="the program must load, but: "):
        prove(network, path, Pt2File())


def test_the_card_tells_what_a_person_should_know(tmp_path: Path) -> None:
    facts = {
        "measurements": {"accuracy": 0.5},
        "training": {"epochs": 5},
        "data": {"name": "digits"},
        "licence": "CC BY 4.0\n# not a heading",
        "search": {"searcher": "tpe"},
    }
    export(tmp_path / "net.py", metadata=facts)
    card = (tmp_path / "net.py.md").read_text()
    for line in (
        "- accuracy: 0.5",
        "- name: digits",
        "- searcher: tpe",
        f"- digest: {TINY.digest}",
    ):
        assert line in card
    assert "- licence: CC BY 4.0 # not a heading" in card
    for name in ("net.py", "net.py.safetensors"):
        sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert f"- SHA-256 of {name}: {sha256}\n" in card


def test_python_files_are_proved_by_running_them(tmp_path: Path) -> None:
    export(tmp_path / "net.py")
    network = fresh_network(TINY, seed=0)
    with pytest.raises(ExportError, match="differs by up to"):
        prove(network, tmp_path / "net.py", PythonFile())
