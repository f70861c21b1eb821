"""Every Python snippet of the README and the documentation runs, and so does the notebook."""

import ast
import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from nas_explorer.evaluators.accuracy.data.preparation import Preparation
from nas_explorer.results.export import export_model
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser
from PIL import Image

from .helpers import trained

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
MODULES = "docs/extending.md"
"""A page whose snippets are modules that change tables, tested in cli/test_extending.py."""
ELSEWHERE = {"segmentation_models_pytorch"}
"""Packages that a snippet may need but that may not be installed."""


def snippets(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


WITH_CODE = [page for page in PAGES if page != MODULES and snippets(page)]


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    """A network of three stages, for colour images of any size."""
    space = load_space("micro").bind(channels=3, resolution=32, classes=3).any_resolution()
    return space.walk(RandomChooser(0)).architecture


@pytest.fixture(scope="module")
def folder(architecture: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the snippets name: a trained network and two pictures."""
    folder = tmp_path_factory.mktemp("snippets")
    preparation = Preparation(
        side=architecture.input.height,
        interpolation="bicubic",
        mean=(120.0,) * 3,
        std=(60.0,) * 3,
        levels={},
        classes=("a", "b", "c"),
    )
    export_model(
        architecture,
        folder / "model.safetensors",
        weights=trained(architecture),
        metadata={"preparation": preparation.described()},
        seed=0,
    )
    for name in ("photo.jpg", "icon.png"):
        Image.new("RGB", (40, 30), (200, 100, 50)).save(folder / name)
    return folder


def quick(code: str) -> str:
    """Return the code with a shorter search."""
    without = re.sub(r"epochs=\d+,", "", code)
    return re.sub(r"budget=\d+", "budget=2, epochs=1, workers=1", without)


def statements(code: str) -> Iterator[ast.stmt]:
    """Return the statements before an import of a missing package, which must be a listed one."""
    for each in ast.parse(code).body:
        names = [alias.name for alias in each.names] if isinstance(each, ast.Import) else []
        missing = {name.split(".")[0] for name in names if find_spec(name.split(".")[0]) is None}
        assert missing <= ELSEWHERE
        if missing:
            return
        yield each


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE)
def test_snippets_run(
    page: str, folder: Path, architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {
        "__name__": "__main__",
        "images": torch.rand(2, *architecture.input),
        "architecture": architecture,
        "architectures": [architecture],
        "timm_model": timm.create_model("mobilenetv3_small_050"),
    }
    for code in snippets(page):
        for each in statements(quick(code)):
            exec(compile(ast.Module([each], []), page, "exec"), names)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook's code runs without a kernel, and its stored outputs have no error."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "docs" / "digits.ipynb").read_text(encoding="utf-8"))
    cells = [each for each in notebook["cells"] if each["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        exec(compile(quick("".join(cell["source"])), "digits.ipynb", "exec"), names)
    shown = [output for cell in cells for output in cell["outputs"]]
    assert {each["output_type"] for each in shown} == {"stream", "execute_result", "display_data"}
    assert 0 < (names["predicted"] == names["digits"].target[:200]).mean() <= 1
