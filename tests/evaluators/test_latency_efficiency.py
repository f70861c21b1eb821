"""Peaks are measured once and stored, and efficiency is what is achieved over them."""

import json
from pathlib import Path

import pytest
import torch
from nas_explorer.evaluators.base import Measurement
from nas_explorer.evaluators.latency import peaks as module
from nas_explorer.evaluators.latency.efficiency import network_efficiency, part_efficiencies
from nas_explorer.evaluators.latency.peaks import Peaks, peaks_of
from nas_explorer.evaluators.latency.settings import LatencySettings
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import RandomChooser

CPU = torch.device("cpu")
PEAKS = Peaks(macs=2e9, bytes=1e9)


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    space = load_space("micro").bind(channels=1, resolution=8, classes=10)
    return space.walk(RandomChooser(0)).architecture


def test_the_ideal_time_is_that_of_the_slower_of_arithmetic_and_memory() -> None:
    assert PEAKS.ridge == 2.0
    assert PEAKS.ideal_ms(4e6, 1e6) == 2.0
    assert PEAKS.ideal_ms(1e6, 1e6) == 1.0
    assert Peaks.from_json(PEAKS.to_json()) == PEAKS
    for wrong in (None, {}, {"macs_per_second": 0, "bytes_per_second": 1}, {"macs_per_second": 1}):
        assert Peaks.from_json(wrong) is None


def test_peaks_are_measured_once_and_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "new"))
    monkeypatch.setattr(module, "_known", {})
    calls: list[int] = []

    def measured(device: torch.device, settings: LatencySettings) -> Peaks:
        calls.append(settings.threads)
        return PEAKS

    monkeypatch.setattr(module, "measure_peaks", measured)
    assert peaks_of(CPU, LatencySettings()) == PEAKS == peaks_of(CPU, LatencySettings())
    monkeypatch.setattr(module, "_known", {})  # another process
    assert peaks_of(CPU, LatencySettings()) == PEAKS
    assert calls == [1]
    peaks_of(CPU, LatencySettings(threads=2))
    assert calls == [1, 2], "other threads have other peaks"
    assert len(json.loads((tmp_path / "new" / "peaks.json").read_text())) == 2
    (tmp_path / "new" / "peaks.json").write_text("no JSON")
    monkeypatch.setattr(module, "_known", {})
    peaks_of(CPU, LatencySettings())
    assert calls == [1, 2, 1]


def test_peaks_of_this_machine_are_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SIDES", {"cpu": 128})
    monkeypatch.setattr(module, "_BYTES", {"cpu": 1 << 20})
    before = torch.get_num_threads()
    found = module.measure_peaks(CPU, LatencySettings())
    assert found.macs > 1e6 and found.bytes > 1e6
    assert torch.get_num_threads() == before


def test_the_efficiency_of_a_network() -> None:
    latency = Measurement(
        metric="latency", value=10.0, provenance={"batch": 2, "peaks": PEAKS.to_json()}
    )
    macs = Measurement(metric="macs", value=1_000_000)
    found = network_efficiency({"macs": macs, "latency": latency})
    assert found is not None
    # Two images have 2e6 MACs, so 10 ms are 2e8 MACs a second, of 2e9.
    assert found.efficiency == pytest.approx(0.1)
    assert found.ideal_ms == pytest.approx(1.0)
    assert found.text.startswith("10 % of the peak rate: 0.2 of 2 GMAC/s")
    assert network_efficiency({"macs": macs}) is None
    assert (
        network_efficiency({"macs": macs, "latency": Measurement(metric="latency", value=1)})
        is None
    )


def test_the_efficiency_of_parts(architecture: Architecture) -> None:
    times = {part.name: 1.0 for part in architecture.parts()}
    found = part_efficiencies(architecture, PEAKS, times, batch=3)
    assert {each.name for each in found} == set(times)
    for each in found:
        assert each.memory_bound == (each.intensity < PEAKS.ridge)
        assert each.ideal_ms == pytest.approx(3e3 * max(each.macs / 2e9, each.bytes / 1e9))
        assert each.efficiency == pytest.approx(each.ideal_ms)
    without = part_efficiencies(architecture, PEAKS)
    assert {each.efficiency for each in without} == {None}
