"""The modules of docs/extending.md: extracted, loaded and used in a search."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nas_explorer.evaluators.cost import shipped
from nas_explorer.evaluators.cost.version import LISTS, digest
from nas_explorer.search_space import plugins

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
MODULES = {
    name: text
    for text, name in re.findall(r"```python\n(# (\w+\.py)\n.*?)```", PAGE.read_text("utf-8"), re.S)
}
SPACE = """
input: {channels: 1, resolution: 8, classes: 10}
stem: {conv: {stride: 2}}
stages:
  - {width: [8, 16], depth: [1, 2], block: {metaformer: {mixer: {cross_mean: {rows_only: any}}}}}
head: pooled
"""
CONFIG = """
space: space.yaml
plugins: [cross_mean.py, saved_bytes, climber.py, sign_gradients.py]
recipe: sign_gradients=0.01
searcher: climber
objectives: accuracy,saved_bytes
constraint: saved_bytes<=2MB
epochs: 1
workers: 1
"""


def run_all(folder: Path, *commands: list[str]) -> tuple[list[int], str, str]:
    """Run commands in one fresh process; return their exit codes and output."""
    code = (
        "import sys\nfrom nas_explorer.cli.main import run\n"
        f"print([run(each) for each in {list(commands)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("extending")
    for name, text in MODULES.items():
        (found / name).write_text(text, encoding="utf-8")
    (found / "space.yaml").write_text(SPACE)
    (found / "search.yaml").write_text(CONFIG)
    return found


@pytest.mark.slow
def test_what_the_page_adds_is_searched_shown_and_exported(folder: Path) -> None:
    assert set(MODULES) >= {"cross_mean.py", "saved_bytes.py", "climber.py", "numpy_file.py"}
    codes, out, err = run_all(
        folder,
        ["search", "--config", "search.yaml", "--budget", "2"],
        ["export", "0", "-o", "net.npz", "--plugin", "numpy_file.py"],
        ["export", "1", "-o", "net.py"],
        ["measure", "0", "--metric", "saved_bytes", "--json"],
        ["space", "list", "cross_mean", "--plugin", "cross_mean.py"],
        ["measure", "0", "--metric", "accuracy"],
    )
    assert codes == [0, 0, 0, 0, 0, 2], err
    assert "saved_bytes" in out and "cross_mean" in out and "  rows_only" in out
    assert "class CrossMeanModule" in (folder / "net.py").read_text("utf-8")
    assert "Top-1 agreement 100.0 % on 64 images of the data" in out

    # Without the plug-ins, all recorded values are shown, and the missing plug-ins are named.
    for name in MODULES:
        (folder / name).rename(folder / f"{name}.away")
    codes, out, err = run_all(folder, ["front", "--sort", "saved_bytes"], ["show", "0"])
    assert codes == [0, 0] and out.count("saved_bytes") > 1 and " kB" in out
    assert "with a component that is not installed" in out
    assert err.count("saved_bytes.py': no such file; only the recorded values are shown") == 2

    # Only the metric's plug-in is missing, which is needed only to measure.
    (folder / "cross_mean.py.away").rename(folder / "cross_mean.py")
    codes, out, err = run_all(
        folder,
        ["front", "--csv", "front.csv"],
        ["export", "0", "-o", "net.safetensors"],
        ["report", "-o", "report.html"],
        ["measure", "0", "--metric", "saved_bytes"],
    )
    assert codes == [0, 0, 0, 2], err
    assert "is known from a record alone; --plugin loads" in err
    assert "saved_bytes" in (folder / "front.csv").read_text()
    assert "saved_bytes [B]" in (folder / "report.html").read_text("utf-8")
    assert re.search(r"saved_bytes: .* kB", (folder / "net.safetensors.md").read_text("utf-8"))


def test_a_plugin_that_cannot_be_had_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found")
    (tmp_path / "taken.py").write_text(
        "from nas_explorer.searchers.plugins import register\n"
        "from nas_explorer.evaluators.base import Evaluator, Metric\n"
        "class Mine(Evaluator):\n"
        "    name = 'mine'\n"
        "    metrics = (Metric(name='macs', unit='1', direction='minimize', tier='exact',"
        " summary='x'),)\n"
        "register(Mine)"
    )
    (tmp_path / "number.py").write_text(
        "from nas_explorer.searchers.plugins import register\nregister(3)"
    )
    says = {
        "nowhere.py": "a plug-in must be there, but got 'nowhere.py': no such file",
        "no_such_module": "must be a module that can be imported, but got 'no_such_module'",
        "broken": "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        "taken": "the name of a metric must be free, but got 'macs', which is one of evaluator",
        "number.py": "must be a class derived from Component, Searcher, Evaluator",
    }
    codes, _, err = run_all(tmp_path, *(["front", "--plugin", each] for each in says))
    assert codes == [2] * len(says)
    for line, text in zip(err.splitlines(), says.values(), strict=True):
        assert text in line


INSTALLED = """
from nas_explorer.evaluators.base import Evaluator, Metric

class Energy(Evaluator):
    name = "energy"
    metrics = (
        Metric(name="energy", unit="J", direction="minimize", tier="measured", summary="work"),
    )

    def evaluate(self, architecture):
        return ()
"""


def test_what_an_installed_package_declares_is_in_the_tables(tmp_path: Path) -> None:
    """A package that cannot be loaded is named, and the rest works."""
    info = tmp_path / "energy_meter-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: energy-meter\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[nas_explorer.evaluators]\nenergy = energy_meter:Energy\nbroken = no_such_module:Energy\n"
        "[nas_explorer.components]\nmine = energy_meter:Mine\n"
    )
    (tmp_path / "energy_meter.py").write_text(INSTALLED)
    code = (
        "import sys\nsys.path.insert(0, '.')\n"
        "from nas_explorer.evaluators.units import read_constraint, write_constraint\n"
        "from nas_explorer.search_space.plugins import COMPONENTS, has_outside\n"
        "print(write_constraint(read_constraint('energy<=5mJ')))\n"
        "print(has_outside(COMPONENTS), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["energy<=0.005 J", "True False"], done.stderr
    assert "left out: plug-in broken = no_such_module:Energy" in done.stderr


def test_kept_costs_of_any_component_are_not_those_of_a_plugin_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seals = tmp_path / "seals.json"
    seals.write_text(json.dumps({"any": {"lists": digest(LISTS)}, "named": {"lists": None}}))
    monkeypatch.setattr(shipped, "_SEALS", seals)
    for outside, lacks in ((set[str](), False), ({plugins.COMPONENTS}, True)):
        monkeypatch.setattr(plugins, "_OUTSIDE", outside)
        assert shipped.lacks_components("any") is lacks
        assert not shipped.lacks_components("named")
