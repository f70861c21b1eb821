"""The benchmark of costs runs and finds both sides equal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "cost.py"


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["equal"] is True
    for name in ("warm_ratio", "cold_ratio", "per_second_one", "per_second_batch"):
        assert figures[name] > 0
    assert figures["quick"] is True
