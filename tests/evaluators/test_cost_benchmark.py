"""The benchmarks of costs run, and both sides' costs are equal."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(script: str) -> dict[str, Any]:
    command = [sys.executable, str(FOLDER / script), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_sums_over_parts() -> None:
    figures = run("cost.py")
    assert figures["equal"] is True
    for name in ("warm_ratio", "cold_ratio", "per_second_one", "per_second_batch"):
        assert figures[name] > 0
    assert figures["quick"] is True


@pytest.mark.slow
def test_other_counters() -> None:
    found = run("counters.py")["modules"]
    assert len(found) == 5
    for name, counts in found.items():
        assert counts["ours"] == counts["by hand"] > 0, name


@pytest.mark.slow
def test_component_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["component_costs.py", "--quick"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as stopped:  # in this process, since it imports much
        runpy.run_path(str(FOLDER / "component_costs.py"), run_name="__main__")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert stopped.value.code == found["disagreements"] == 0 and found["tried"] >= 10
