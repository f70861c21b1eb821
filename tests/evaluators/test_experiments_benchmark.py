"""The benchmark of experiments compares networks of equal cost, and continues."""

from pathlib import Path

import pytest

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
    found = load_benchmark("experiments.py").compared({"a": [0.0, 0.2], "b": [0.5, 0.5]})
    # Variances 0.02 and 0 with one degree of freedom each; Student's t of 2 degrees is 4.303.
    half = 4.3027 * (0.01 / 2) ** 0.5
    assert found["a"]["accuracy"]["high"] == pytest.approx(0.1 + half, abs=1e-4)
    assert found["b"]["accuracy"]["low"] == pytest.approx(0.5 - half, abs=1e-4)
    # One list of differences, 0.5 and 0.3: variance 0.02 and one degree of freedom.
    assert found["b"]["difference"]["value"] == pytest.approx(0.4)
    half = 12.7062 * (0.02 / 2) ** 0.5
    assert found["b"]["difference"]["high"] == pytest.approx(0.4 + half, abs=1e-3)
