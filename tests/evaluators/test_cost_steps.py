"""The costs of a walk's choices sum to the costs of its network."""

from typing import Any

import numpy as np
import pytest
from nas_explorer.evaluators.cost.cost import EXACT_METRICS, additive_costs, architecture_cost
from nas_explorer.search_space.components.base import field_kinds
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.components.wired import Block
from nas_explorer.search_space.constraints.build_cost_table import build_cost_table
from nas_explorer.search_space.constraints.constraint import Constraint
from nas_explorer.search_space.constraints.steering import Guide, SteeredPath
from nas_explorer.search_space.files import space_from_data
from nas_explorer.search_space.walk.choosers import RandomChooser

from ..columns import IN_COLUMNS

OFFERED = {
    "mixer": ["identity", "pooling", "separable_conv", "attention"],
    "channel_mixer": ["none", "mlp", "glu"],
    "norm": ["none", "layer_norm"],
    "residual": ["none", "plain", "layer_scale", "res_scale"],
}


@pytest.mark.parametrize("name", [each for each in TABLES[Block] if each not in IN_COLUMNS])
def test_the_choices_of_a_walk_cost_what_the_network_does(name: str) -> None:
    kinds = field_kinds(TABLES[Block][name])
    offered: dict[str, Any] = {key: names for key, names in OFFERED.items() if key in kinds}
    if "head_dim" in TABLES[Block][name]().knobs():
        offered["head_dim"] = [4, 8]
    space = space_from_data(
        {
            "input": {"channels": 3, "resolution": 8, "classes": 2},
            "stem": "patch",
            "every_stage": {"block": {name: offered}},
            "stages": [
                {"width": 8, "depth": [1, 2, 3], "pattern": "any"},
                {"width": 16, "depth": [0, 1], "downsampling": ["none", "conv"]},
            ],
            "head": "pooled",
        }
    )
    table = build_cost_table(space.graph, EXACT_METRICS, additive_costs)
    guide = Guide(table=table, constraints=[Constraint(metric="params")])
    for seed in range(30):
        architecture = space.walk(RandomChooser(seed)).architecture
        cost = architecture_cost(architecture)
        for steps in space.membership.walks(architecture):
            steered, spent = SteeredPath(guide), np.zeros(len(EXACT_METRICS))
            for node, chosen in steps:
                choice = space.graph.choices_at(node).choices.index(chosen)
                spent = table.add(spent, table.costs(steered.number)[choice])
                steered.take(choice)
            assert steered.number == table.end
            assert spent.tolist() == [getattr(cost, name) for name in EXACT_METRICS]
