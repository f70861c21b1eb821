"""``nas measure`` of a network that folds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.cli.main import run
from nas_explorer.cli.parts import block_places
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.results.export import export_model
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.zoo import zoo_entry


def test_costs_are_the_folded_ones_with_the_trained_ones_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = zoo_entry("unireplknet_a").architecture
    small = replace(network, input=Shape(3, 32, 32), stages=network.stages[:2])
    cost = architecture_cost(small)
    assert cost.params < cost.training_params and cost.macs < cost.training_macs
    file = tmp_path / "network.json"
    file.write_text(json.dumps(small.to_json()))
    assert run(["measure", str(file)]) == 0
    reported = capsys.readouterr().out
    assert f"({cost.params:,}; {cost.training_params:,} in training)" in reported
    assert f"({cost.macs:,}; {cost.training_macs:,} in training)" in reported
    assert run(["measure", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["measurements"]
    assert found["macs"]["value"] == cost.macs
    assert found["macs"]["provenance"] == {"training_form": cost.training_macs}
    assert found["activations"]["provenance"] == {}


def test_what_an_export_wrote_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = zoo_entry("van_b0").architecture
    small = replace(network, input=Shape(3, 32, 32), stages=network.stages[:1])
    export_model(small, tmp_path / "net.safetensors", weights=None, metadata={}, seed=0)
    for file in ("net.safetensors", "net.json"):
        assert run(["measure", str(tmp_path / file), "--json"]) == 0
        reported = capsys.readouterr().out
        assert json.loads(reported)["digest"] == small.digest
    (tmp_path / "reported.json").write_text(reported)
    assert run(["measure", str(tmp_path / "reported.json"), "--json"]) == 0
    assert capsys.readouterr().out == reported


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[1]", "architecture must be"),
        ('{"architecture": 3}', "architecture must be"),
        ("{", "must be JSON"),
    ],
)
def test_other_files_are_refused(
    text: str, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.json").write_text(text)
    assert run(["measure", str(tmp_path / "net.json")]) == 2
    assert rule in capsys.readouterr().err
    assert run(["measure", str(tmp_path / "none.safetensors")]) == 2
    assert "safetensors file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("places", "reported"),
    [
        ([3], "block 3"),
        ([0, 1, 2], "blocks 0-2"),
        ([0, 1, 4], "blocks 0-1, 4"),
        ([0, 2], "blocks 0, 2"),
        ([1, 3, 5, 7], "blocks 1, 3 ... 7"),
    ],
)
def test_equal_blocks_are_listed_once(places: list[int], reported: str) -> None:
    assert block_places(places) == reported
