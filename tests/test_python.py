"""The Python interface: ``import nas_explorer``."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nas_explorer.evaluators.base import evaluators_for
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.walk.choosers import RandomChooser
from nas_explorer.searchers.run.loop import Progress

import nas_explorer

SPACE = {
    "input": {"channels": 1, "resolution": "data", "classes": 2, "min": 8, "max": 16},
    "stem": "patch",
    "stages": [{"width": [4, 8], "depth": [1, 2], "block": "metaformer"}],
    "head": "pooled",
}


def images(count: int = 80) -> tuple[np.ndarray, list[str]]:
    """Return dark and bright images, distinguished by their mean."""
    generator = np.random.default_rng(0)
    labels = ["bright" if index % 2 else "dark" for index in range(count)]
    noise = generator.integers(0, 100, (count, 8, 8), dtype=np.uint8)
    return noise + np.array([155 * (each == "bright") for each in labels], np.uint8)[
        :, None, None
    ], labels


def test_it_loads_nothing_heavy_and_says_what_it_has() -> None:
    code = (
        "import sys, nas_explorer\n"
        "assert not {'torch', 'numpy', 'optuna', 'pandas'} & set(sys.modules)\n"
        "assert nas_explorer.__version__ and set(nas_explorer.__all__) <= set(dir(nas_explorer))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_every_name_is_there() -> None:
    for name in nas_explorer.__all__:
        assert getattr(nas_explorer, name).__name__ == name
    with pytest.raises(AttributeError, match="serch"):
        nas_explorer.serch  # noqa: B018


def test_it_is_found_from_the_root_of_a_clone(tmp_path: Path) -> None:
    """The package can be imported from a clone without installation."""
    root = Path(__file__).parents[1]
    code = (
        f"import sys; sys.path[:0] = [{str(root)!r}]\n"
        "from nas_explorer.search_space.shapes import Shape; print(Shape(1, 2, 3))"
    )
    command = [sys.executable, "-S", "-E", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout


def test_an_architecture_is_measured() -> None:
    space = nas_explorer.load_space("micro")
    architecture = space.walk(RandomChooser(0)).architecture
    found = nas_explorer.measure(architecture)
    network = architecture.build()
    assert found["params"].value == sum(each.numel() for each in network.parameters())


@pytest.mark.slow
def test_a_search_of_ones_own_space_and_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[int] = []

    def count(study: Study, progress: Progress) -> None:
        seen.append(len(study.finished()))

    joules = 3.0

    @nas_explorer.metric(unit="mJ", direction="minimize")
    def energy(architecture: nas_explorer.Architecture) -> float:
        """Energy of one image."""
        return joules * len(architecture.parts())

    study = nas_explorer.search(
        space=SPACE,
        data=images(),
        objectives=["accuracy", "energy"],
        budget=2,
        epochs=1,
        workers=1,
        device="cpu",
        callbacks=[count],
    )
    assert seen == [1, 2] and len(study.table()) == 2
    assert set(study.front().columns) >= {"accuracy", "energy", "macs", "digest"}
    for each in study.candidates():
        assert each.value("energy") == joules * len(each.architecture.parts())
    again = nas_explorer.load_study(study.name)
    assert again.front().equals(study.front())
    assert study.plot().layout.xaxis.title.text.startswith("energy")
    assert study.plot("macs", "energy").layout.yaxis.title.text.startswith("energy")
    with pytest.raises(InputError, match="energi"):
        study.plot("energi")
    (kept,) = (tmp_path / "runs" / "cache").glob("arrays-*.npz")
    assert str(kept).endswith(study.settings.data["name"].rpartition("/")[2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((np.zeros((2, 8, 8)), [0, 1]), "must be uint8"),
        ((np.zeros((2, 8), np.uint8), [0, 1]), "must be uint8"),
        ((np.zeros((2, 8, 8, 2), np.uint8), [0, 1]), "C 1 or 3"),
        ((np.zeros((2, 8, 8), np.uint8), [0]), "one for each of 2 images"),
        ((np.zeros((2, 8, 8), np.uint8), [0.5, 1]), "whole numbers or texts"),
        (Path("nowhere.npz"), "must exist"),
        (Path("nowhere"), "must exist"),
    ],
)
def test_data_that_cannot_be_used(
    data: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        nas_explorer.search(space=SPACE, data=data, budget=1)  # type: ignore[arg-type]


def test_a_training_of_ones_own_takes_the_place_of_the_short_one() -> None:
    @nas_explorer.metric(unit="1", direction="maximize", tier="trained", share=True)
    def own_score(architecture: nas_explorer.Architecture) -> float:
        return 0.5

    assert "accuracy" in [each.name for each in evaluators_for(["macs"])]
    assert "accuracy" not in [each.name for each in evaluators_for(["own_score", "macs"])]
    assert "accuracy" in [each.name for each in evaluators_for(["own_score", "accuracy"])]
