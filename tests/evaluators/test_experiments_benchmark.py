"""The benchmark of experiments compares networks of equal cost, and continues."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
from nas_explorer.evaluators.accuracy.recipe import Recipe
from nas_explorer.search_space.architecture.architecture import Architecture

from ..benchmark_runs import load_benchmark, run_benchmark


@pytest.mark.slow
def test_it_compares_and_continues(tmp_path: Path) -> None:
    options = ("--quick", "--only", "depth", "--results", str(tmp_path / "found.json"))
    found = run_benchmark("experiments.py", *options)["comparisons"]["depth"]
    assert list(found) == ["1 a stage", "2 a stage", "4 a stage", "6 a stage"]
    first, *others = found.values()
    assert first["difference"] is None
    for each in others:
        assert (
            each["difference"]["low"] <= each["difference"]["value"] <= each["difference"]["high"]
        )
    assert run_benchmark("experiments.py", *options, "--report")["comparisons"]["depth"] == found


def test_the_variance_is_pooled() -> None:
    found = load_benchmark("experiments.py").compared({"a": [0.0, 0.2], "b": [0.5, 0.5]}, first="a")
    # Variances 0.02 and 0 with one degree of freedom each; Student's t of 2 degrees is 4.303.
    half = 4.3027 * (0.01 / 2) ** 0.5
    assert found["a"]["accuracy"]["high"] == pytest.approx(0.1 + half, abs=1e-4)
    assert found["b"]["accuracy"]["low"] == pytest.approx(0.5 - half, abs=1e-4)
    # One list of differences, 0.5 and 0.3: variance 0.02 and one degree of freedom.
    assert found["b"]["difference"]["value"] == pytest.approx(0.4)
    half = 12.7062 * (0.02 / 2) ** 0.5
    assert found["b"]["difference"]["high"] == pytest.approx(0.4 + half, abs=1e-3)


def test_without_the_first_network_there_are_no_differences() -> None:
    found = load_benchmark("experiments.py").compared({"b": [0.0, 0.2], "c": [0.5, 0.5]}, first="a")
    assert [each["difference"] for each in found.values()] == [None, None]
    assert found["c"]["accuracy"]["value"] == pytest.approx(0.5)


def test_a_network_that_has_changed_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load_benchmark("experiments.py")
    trained = list[str]()

    class Evaluator:
        def __init__(self, **options: object) -> None:
            pass

        def evaluate(self, architecture: Architecture) -> list[Namespace]:
            trained.append(architecture.digest)
            return [Namespace(value=len(trained))]

    def run(depth: int) -> dict[str, list[float]]:
        designs = {"first": script.same("identity", depth=(depth, 1, 1))}
        monkeypatch.setattr(script, "COMPARISONS", {"depth": designs | {"equal": designs["first"]}})
        options = Namespace(
            data="digits", macs=1e5, epochs=1, device="cpu", seeds=1, only=["depth"], results=file
        )
        bench = script.Bench(options)
        bench.run()
        return bench.values("depth")

    file = str(tmp_path / "found.json")
    data = Namespace(channels=1, resolution=8, classes=range(3), recipe=Recipe())
    monkeypatch.setattr(script, "load_search_data", lambda *_, **__: data)
    monkeypatch.setattr(script, "AccuracyEvaluator", Evaluator)
    monkeypatch.setattr(
        script, "network", lambda design, *_: script.built(design, (8, 8, 8), 2, (1, 8), 3)
    )
    assert run(1) == run(1) == {"first": [1], "equal": [1]}
    assert run(2) == {"first": [2], "equal": [2]}
    assert len(set(trained)) == len(trained) == 2
    digests = json.loads(Path(file).read_text())["trained_digests"]
    assert digests == {"depth|first|0": trained[1], "depth|equal|0": trained[1]}


def test_bad_options_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="but got 'mixer'; did you mean 'mixers'"):
        run_benchmark("experiments.py", "--only", "mixer")
    file = tmp_path / "found.json"
    file.write_text(json.dumps({"settings": {"data": "other"}}))
    with pytest.raises(AssertionError, match="--results must name a file with the settings"):
        run_benchmark("experiments.py", "--report", "--results", str(file))
