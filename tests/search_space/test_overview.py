"""Networks with an overview that guides their last stages: wiring, value, costs, errors."""

import json
from dataclasses import replace

import pytest
import torch
from nas_explorer.evaluators.cost.analysis import count_module
from nas_explorer.evaluators.cost.cost import additive_costs, architecture_cost, costs_of
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Overview, Stage
from nas_explorer.search_space.components.blocks import GuidedBlock, MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.downsampling import ConvDownsampling, NoDownsampling
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers.convolution import LargeKernelConv
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.overview_parts import GuidedDownsampling
from nas_explorer.search_space.components.stems import ConvStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape

_LOCAL = MetaFormerBlock(mixer=LargeKernelConv(kernel_size=3), channel_mixer=NoChannelMixer())
_GUIDED = GuidedBlock(
    mixer=LargeKernelConv(kernel_size=3), channel_mixer=NoChannelMixer(), norm=NoNorm()
)


def stage(width: int, block: MetaFormerBlock | GuidedBlock, **more: object) -> Stage:
    values = {"depth": 1, "blocks": (block,), "downsampling": ConvDownsampling(), **more}
    return Stage(width=width, **values)  # type: ignore[arg-type]


OVERVIEW = Overview(after=2, stages=(stage(16, _LOCAL),), width=4)
SMALL = Architecture(
    input=Shape(3, 32, 32),
    classes=5,
    stem=ConvStem(),
    stages=(
        stage(8, _LOCAL, downsampling=None),
        stage(12, _LOCAL),
        stage(16, replace(_GUIDED, refresh=False), downsampling=NoDownsampling()),
        stage(24, _GUIDED, downsampling=GuidedDownsampling(guide=4)),
    ),
    head=PooledHead(),
    overview=OVERVIEW,
)


def test_the_guide_joins_and_refreshes() -> None:
    """The branch starts after two stages; the guide joins the first guided stage and is added in
    every block."""
    parts = {part.name: part for part in SMALL.parts()}
    base = "stages.1.blocks.0.residual1.add"
    assert parts["overview.0.downsampling"].inputs == parts["stages.2.join"].inputs[:1] == (base,)
    assert parts["guide"].out_shape == (4, 4, 4)
    assert parts["stages.2.guide"].inputs == ("guide",)
    assert parts["stages.2.join"].inputs == (base, "stages.2.guide")
    assert parts["stages.2.join"].out_shape == (16, 8, 8)
    assert "stages.2.blocks.0.refresh" not in parts
    # the last stage has the guide's own size
    assert parts["stages.3.blocks.0.refresh"].inputs == ("stages.3.downsampling", "guide")
    assert SMALL.stage_shapes == ((8, 16, 16), (12, 8, 8), (16, 8, 8), (24, 4, 4))


def test_the_overview_guides_the_scores() -> None:
    torch.manual_seed(0)
    network = SMALL.build().eval()
    x = torch.randn(2, 3, 32, 32)
    scores = network(x)
    assert scores.shape == (2, 5)
    network.get_parameter("guide.bias").data += 1
    assert not torch.allclose(network(x), scores)
    assert [info.channels for info in network.feature_info] == [8, 12, 16, 24]


def test_costs_are_those_of_the_whole_network() -> None:
    cost, counted = architecture_cost(SMALL), count_module(SMALL.build().folded(), SMALL.input)
    assert (cost.params, cost.macs, cost.activations) == (
        counted.params,
        counted.macs,
        counted.activations,
    )
    assert costs_of([SMALL])["macs"].tolist() == [cost.macs]
    graph = SMALL.graph(additive_costs)
    assert sum(macs for _, macs in graph.nodes(data="macs")) == cost.macs  # pyright: ignore
    assert graph.in_degree("stages.2.join") == 2
    assert graph.out_degree("guide") == 2
    # a map from 16 to 4 channels at 4 x 4 places; two factors and two biases a channel
    parts = {part.name: additive_costs(part) for part in SMALL.parts()}
    assert (parts["guide"]["params"], parts["guide"]["macs"]) == (68, 16 * 64)
    assert parts["stages.3.blocks.0.refresh"]["params"] == 16


def test_it_is_a_value() -> None:
    again = Architecture.from_json(json.loads(json.dumps(SMALL.to_json())))
    assert again == SMALL and again.digest == SMALL.digest
    wider = replace(SMALL, overview=replace(OVERVIEW, stages=(stage(20, _LOCAL),)))
    assert wider.digest != SMALL.digest
    absent = Stage(width=7, depth=0, blocks=())
    longer = replace(
        SMALL,
        stages=(absent, *SMALL.stages[:2], absent, *SMALL.stages[2:]),
        overview=replace(OVERVIEW, after=4, stages=(absent, *OVERVIEW.stages)),
    )
    assert longer.canonical == SMALL.canonical and longer.digest == SMALL.digest
    assert SMALL.outline().endswith("24x1 large_kernel_conv | 16x1 large_kernel_conv")
    assert "overview" not in replace(SMALL, stages=SMALL.stages[:2], overview=None).to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"overview": replace(OVERVIEW, after=4)},
            "after must leave stages with blocks on both sides, but got 4",
        ),
        (
            {"overview": replace(OVERVIEW, width=16)},
            "width of stages.2 must exceed the guide's, but got 16",
        ),
        (
            {"overview": replace(OVERVIEW, width=5)},
            "stages.2 after 12x8x8: none: width must stay 12 without downsampling, but got 11",
        ),
        (
            {"overview": replace(OVERVIEW, stages=(stage(16, _LOCAL, downsampling=None),))},
            "overview.0 must have a downsampling (or 'none'), but got nothing",
        ),
    ],
)
def test_what_cannot_be_wired_is_refused(change: dict[str, Overview], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(SMALL, **change)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_an_overview_that_is_not_right_is_refused() -> None:
    with pytest.raises(InputError, match="an overview must have a stage with blocks, but got none"):
        Overview(after=1, stages=(), width=4)
    with pytest.raises(InputError, match="after must be a positive integer"):
        replace(OVERVIEW, after=0)
    data = {**SMALL.to_json(), "overview": {"after": 2, "stages": []}}
    with pytest.raises(InputError, match="overview must have after, stages, width, but got no"):
        Architecture.from_json(data)


def test_guided_blocks_also_stand_alone() -> None:
    alone = replace(SMALL, stages=SMALL.stages[:1], overview=None)
    guided = replace(alone, stages=(stage(8, _GUIDED, downsampling=None),))
    unguided = replace(
        alone, stages=(stage(8, replace(_GUIDED, refresh=False), downsampling=None),)
    )
    assert guided.digest == unguided.digest != alone.digest
