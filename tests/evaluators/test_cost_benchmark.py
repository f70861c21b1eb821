"""The benchmarks of costs run, and both sides' costs are equal."""

import json
import subprocess
import sys
from typing import Any

import pytest
from nas_explorer.evaluators.cost.cost import clear_memory

from ..benchmark_runs import FOLDER, run_benchmark


def run_alone(script: str) -> dict[str, Any]:
    """Return the figures of a script whose own processes must be able to import it."""
    command = [sys.executable, str(FOLDER / script), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_sums_over_parts() -> None:
    figures = run_benchmark("cost.py", "--quick")
    clear_memory()  # it had a cache of its own
    assert figures["equal"] is True
    for name in ("warm_ratio", "cold_ratio", "per_second_one", "per_second_batch"):
        assert figures[name] > 0
    assert figures["quick"] is True


@pytest.mark.slow
def test_other_counters() -> None:
    found = run_alone("counters.py")["modules"]
    assert len(found) == 5
    for name, counts in found.items():
        assert counts["ours"] == counts["by hand"] > 0, name


@pytest.mark.slow
def test_component_costs() -> None:
    found = run_benchmark("component_costs.py", "--quick")
    assert found["disagreements"] == 0 and found["tried"] >= 10
