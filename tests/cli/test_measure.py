"""``nas measure`` of a network that folds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.cli.main import run
from nas_explorer.evaluators.cost.cost import architecture_cost
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
    told = capsys.readouterr().out
    assert f"({cost.params:,}; {cost.training_params:,} while it is trained)" in told
    assert f"({cost.macs:,}; {cost.training_macs:,} while it is trained)" in told
    assert run(["measure", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["measurements"]
    assert found["macs"]["value"] == cost.macs
    assert found["macs"]["provenance"] == {"training_form": cost.training_macs}
    assert found["activations"]["provenance"] == {}
