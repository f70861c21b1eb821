"""The benchmark of recipe options compares trainings of the same networks, and continues."""

from pathlib import Path

import pytest

from ..benchmark_runs import load_benchmark, run_benchmark


@pytest.mark.slow
def test_it_compares_options_and_continues(tmp_path: Path) -> None:
    options = ("--quick", "--constraint", "macs<=50k", "--results", str(tmp_path / "found.json"))
    found = run_benchmark("recipes.py", *options)
    assert found["missing"] == 0 and found["trainings"] == 16
    assert set(found["options"]) == {"none", "coreset", "random_features"}
    assert found["options"]["coreset"]["difference_first_seed"]["trainings"] == 4
    assert -1 <= found["options"]["none"]["spearman"]["value"] <= 1
    assert run_benchmark("recipes.py", *options, "--report") == found


def test_a_score_that_ranks_with_shuffled_labels_measures_fit() -> None:
    verdict = load_benchmark("recipes.py").verdict
    assert "measures fit, not" in verdict({"low": 0.2, "high": 0.9})
    assert "measures fit, not" in verdict({"low": -0.9, "high": -0.1})
    assert "not shown" in verdict({"low": -0.1, "high": 0.9})
