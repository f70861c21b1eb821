"""The graph of a network: its parts, their inputs and their costs."""

import json
from dataclasses import replace

import networkx as nx
import pytest
from nas_explorer.evaluators.cost.cost import architecture_cost
from nas_explorer.search_space.architecture import graph as graph_module
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.graph import Node
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import Mlp
from nas_explorer.search_space.components.downsampling import ConvDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.residuals import ResScaleResidual
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.walk.choosers import RandomChooser

BLOCK = MetaFormerBlock(
    mixer=Pooling(), channel_mixer=Mlp(ratio=2), norm=NoNorm(), residual=ResScaleResidual()
)
NETWORK = Architecture(
    input=Shape(3, 8, 8),
    classes=5,
    stem=PatchStem(patch_size=2, norm=NoNorm()),
    stages=(
        Stage(width=4, depth=1, blocks=(BLOCK,)),
        Stage(width=6, depth=2, blocks=(BLOCK,), downsampling=ConvDownsampling(kernel_size=2)),
    ),
    head=PooledHead(norm=NoNorm()),
)


def drawn(seed: int) -> Architecture:
    return load_space("micro").walk(RandomChooser(seed)).architecture


def node(name: str) -> Node:
    return NETWORK.graph().nodes[name]  # type: ignore[return-value]


def test_the_nodes_are_the_image_and_the_parts_in_their_order():
    graph = NETWORK.graph()
    assert list(graph) == ["image", *(part.name for part in NETWORK.parts())]
    for part in NETWORK.parts():
        assert tuple(graph.predecessors(part.name)) == part.inputs
        found = graph.nodes[part.name]
        assert (found["in_shapes"], found["out_shape"]) == (part.in_shapes, part.out_shape)
    place = {name: index for index, name in enumerate(graph)}
    assert all(place[source] < place[target] for source, target in graph.edges)


def test_a_node_says_what_it_is_and_what_it_costs():
    assert node("image")["out_shape"] == (3, 8, 8) and node("image")["kind"] == "image"
    # 4 x 3 x 2 x 2 weights and 4 biases; each weight once at each of 4 x 4 places
    assert node("stem") == {
        "kind": "stem",
        "operation": "patch",
        "label": "patch(patch_size=2, bias=True)",
        "stage": None,
        "block": None,
        "in_shapes": ((3, 8, 8),),
        "out_shape": (4, 4, 4),
        "params": 52,
        "macs": 768,
    }
    mixer = node("stages.1.blocks.1.channel_mixer")
    assert (mixer["kind"], mixer["operation"]) == ("channel mixer", "mlp")
    assert (mixer["stage"], mixer["block"]) == (1, 1)
    # 6 x 12 weights twice, 12 and 6 biases, on 2 x 2 places
    assert (mixer["params"], mixer["macs"]) == (162, 576)
    between = node("stages.1.downsampling")
    assert (between["stage"], between["block"]) == (1, None)
    joint = node("stages.0.blocks.0.residual1.add")
    assert joint["kind"] == "joint" and joint["in_shapes"] == ((4, 4, 4), (4, 4, 4))


@pytest.mark.parametrize("seed", range(3))
def test_the_costs_of_the_nodes_are_those_of_the_network(seed):
    architecture = drawn(seed)
    graph, cost = architecture.graph(), architecture_cost(architecture)
    assert sum(nx.get_node_attributes(graph, "macs").values()) == cost.macs > 0
    assert sum(nx.get_node_attributes(graph, "params").values()) == cost.params
    trainable = sum(each.numel() for each in architecture.build().parameters())
    assert cost.params == trainable


def test_other_costs_can_be_given():
    graph = NETWORK.graph(lambda part: {"params": 1, "macs": part.out_shape.channels})
    assert graph.nodes["head"]["macs"] == 5
    assert sum(nx.get_node_attributes(graph, "params").values()) == len(graph) - 1


def test_without_any_costs_installed_it_says_so(monkeypatch):
    monkeypatch.setattr(graph_module, "entry_points", lambda group: ())
    with pytest.raises(LookupError, match="install nas-explorer again"):
        NETWORK.graph()


def test_descriptions_of_one_network_have_one_graph():
    first, second = NETWORK.stages
    same = replace(NETWORK, stages=(first, replace(second, blocks=(BLOCK, BLOCK, BLOCK))))
    other = replace(NETWORK, stages=(first, replace(second, depth=1)))
    assert nx.utils.graphs_equal(NETWORK.graph(), same.graph())
    assert not nx.utils.graphs_equal(NETWORK.graph(), other.graph())


def test_it_can_be_written_as_json():
    data = json.loads(json.dumps(nx.node_link_data(NETWORK.graph())))
    again = nx.node_link_graph(data)
    assert list(again) == list(NETWORK.graph())
    assert again.nodes["stem"]["in_shapes"] == [[3, 8, 8]]
