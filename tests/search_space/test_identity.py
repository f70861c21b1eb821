"""Equal digest if and only if equal weights and equal computation, on random networks."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.network import Network
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.downsampling import NoDownsampling
from nas_explorer.search_space.files import load_space
from nas_explorer.search_space.walk.choosers import MutationChooser, RandomChooser
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

MICRO = load_space("micro").bind(channels=1, resolution=8, classes=3)


class Recorder(TorchDispatchMode):
    """Records every operation: its name, its arguments, and its input and output tensors.

    Tensors are numbered as they appear, so that names of weights do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._seen: list[Tensor] = []  # kept alive, so that no id is reused
        self._number: dict[int, int] = {}

    def _text(self, value: Any) -> str:
        if isinstance(value, Tensor):
            if id(value) not in self._number:
                self._number[id(value)] = len(self._seen)
                self._seen.append(value)
            return f"%{self._number[id(value)]}:{tuple(value.shape)}"
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._text, value))}]"
        return repr(value)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch's wrapper takes as long as the operations

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {name: self._text(value) for name, value in (kwargs or {}).items()}
        self.lines.append(f"{func} {self._text(args)} {given} -> {self._text(out)}")
        return out


def computed(architecture: Architecture) -> str:
    """Return the shapes of the weights and the graph of operations as text."""
    with torch.device("meta"):
        network = Network(architecture)
        image = torch.empty(2, *architecture.input)
    weights = [(tuple(each.shape), each.requires_grad) for each in network.parameters()]
    with Recorder() as recorder:
        network(image)
    return "\n".join([str(sorted(weights)), *recorder.lines])


def described_otherwise(architecture: Architecture, draw: random.Random) -> Architecture:
    """Return another description of the same network."""
    stages: list[Stage] = []
    shapes = architecture.stage_shapes
    for stage, shape in zip(architecture.stages, shapes, strict=True):
        reach = 2 * max(shape.height, shape.width) - 1
        blocks = tuple(widened(stage.block(i), reach, draw) for i in range(stage.depth))
        cut = draw.randrange(stage.depth)
        if cut:
            stages.append(replace(stage, depth=cut, blocks=blocks[:cut]))
            stage = replace(stage, downsampling=NoDownsampling())
        stages.append(replace(stage, depth=stage.depth - cut, blocks=blocks[cut:]))
        if draw.random() < 0.3:
            stages.append(replace(stage, depth=0))
    return replace(architecture, stages=tuple(stages))


def widened(block: Any, reach: int, draw: random.Random) -> Any:
    """Return the block with larger kernels where they fill the map, and slightly larger ratios."""
    changes: dict[str, Any] = {}
    for name, value in block.mixer.knobs().items():
        if name in ("kernel_size", "band_size") and reach <= value < 31:
            changes[name] = draw.randrange(value, 32, 2)
        if "ratio" in name or name == "expansion":
            changes[name] = value * (1 + 1e-9)
    channel_mixer = replace(block.channel_mixer, ratio=block.channel_mixer.ratio * (1 + 1e-9))
    return replace(block, mixer=replace(block.mixer, **changes), channel_mixer=channel_mixer)


@pytest.mark.slow
def test_equal_digest_means_equal_network() -> None:
    graphs: dict[str, str] = {}
    digests: dict[str, str] = {}
    changed = 0
    for seed in range(15):
        drawn = MICRO.walk(RandomChooser(seed))
        near = MICRO.walk(MutationChooser(drawn.decisions, seed, 0.03)).architecture
        other = described_otherwise(drawn.architecture, random.Random(seed))
        changed += other != drawn.architecture
        assert other.digest == drawn.architecture.digest
        for each in (drawn.architecture, near, other):
            graph = computed(each)
            assert graphs.setdefault(each.digest, graph) == graph
            assert digests.setdefault(graph, each.digest) == each.digest
    assert changed > 8 and len(graphs) > 15
