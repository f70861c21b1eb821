"""Energy from a made-up counter: no device of these tests tells its own."""

import importlib
import sys
import time
from collections.abc import Generator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from nas_explorer.evaluators.base import EVALUATORS, METRICS, evaluator_of
from nas_explorer.evaluators.latency import energy as module
from nas_explorer.evaluators.latency.energy import EnergyCounter, EnergyEvaluator, RaplCounter
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

CPU = torch.device("cpu")


class MadeUp(EnergyCounter):
    """A counter of a device that takes 10 W, whatever it does."""

    name = "made up"

    def joules(self) -> float:
        return 10 * time.perf_counter()


@pytest.fixture(autouse=True)
def registered() -> Generator[None]:
    """The plug-in's entries, which other tests must not see."""
    with patch.dict(EVALUATORS), patch.dict(METRICS):
        name = "nas_explorer.evaluators.latency.energy_plugin"
        sys.modules.pop(name, None)
        importlib.import_module(name)
        yield


def test_the_plug_in_adds_the_metric() -> None:
    assert evaluator_of("energy_per_image").load() is EnergyEvaluator
    assert METRICS["energy_per_image"].conditions[-1] == "counter"


def test_the_energy_of_an_image_is_power_by_time() -> None:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    architecture = space.walk(RandomChooser(0)).architecture
    evaluator = EnergyEvaluator(device=CPU, counter=MadeUp(), batch=2, seconds=0.01)
    (found,) = evaluator.measure(architecture)
    assert (found.metric, found.unit) == ("energy_per_image", "mJ")
    assert found.low is not None and found.high is not None
    assert 0 < found.low <= found.value <= found.high
    assert found.provenance["counter"] == "made up"
    assert found.provenance["mean_power_w"] == pytest.approx(10, rel=0.05)
    assert found.provenance["idle_power_w"] == pytest.approx(10, rel=0.05)


def test_the_counter_of_a_package_goes_on_after_its_range(tmp_path: Path) -> None:
    (tmp_path / "max_energy_range_uj").write_text("1000000\n")
    values = iter((900_000, 950_000, 50_000, 60_000, 10_000))
    counter_file = tmp_path / "energy_uj"

    def advance() -> None:
        counter_file.write_text(f"{next(values)}\n")

    advance()
    counter = RaplCounter(tmp_path)
    found: list[float] = []
    for _ in range(4):
        advance()
        found.append(counter.joules())
    assert found == pytest.approx([0.95, 1.05, 1.06, 2.01])


def test_a_device_without_a_counter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RaplCounter", lambda: RaplCounter(tmp_path))
    with pytest.raises(InputError, match="energy must be measured on a device with a counter"):
        module.energy_counter(CPU)
