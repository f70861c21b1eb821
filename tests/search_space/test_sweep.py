"""The sweep over random networks of a space runs, and finds errors."""

from types import ModuleType

import pytest
import torch
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.layers.folding import Foldable
from nas_explorer.search_space.components.mixers.trivial import Pooling
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.shapes import Shape
from torch import Tensor, nn

from ..benchmark_runs import load_benchmark, run_benchmark


@pytest.fixture(scope="module")
def sweep() -> ModuleType:
    return load_benchmark("sweep.py")


@pytest.mark.slow
def test_a_few_networks_are_sound(sweep: ModuleType) -> None:
    for number in range(2):
        found = sweep.examine(("universal", 16, 0, number))
        assert found.failed is None, found
    assert sweep.examine(("universal", 16, 0, number)).digest == found.digest


class Wrong(nn.Module):
    """Each error is reported by the name of its check."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        match self.what:
            case "not finite":
                return x / 0
            case "gradient":
                return (self.scale * x - x.detach()).abs().sqrt()  # its slope at 0 is infinite
            case _:
                return x


class WrongFold(Foldable):
    """A module that folds into a different function."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x

    def folded(self) -> nn.Module:
        return nn.Identity()


@pytest.mark.parametrize(
    ("what", "check", "message"),
    [
        ("fold", "fold", "stages.0.blocks.0.mixer differs by 0.5 of the largest"),
        ("not finite", "forward", "scores are not finite"),
        ("gradient", "backward", "is not finite"),
        ("idle", "backward", "mixer.scale has no gradient"),
        ("costs", "costs", "'params': (1035, 1107)"),
    ],
)
def test_what_is_wrong_is_found(
    sweep: ModuleType, monkeypatch: pytest.MonkeyPatch, what: str, check: str, message: str
) -> None:
    block = MetaFormerBlock(mixer=Pooling())
    architecture = Architecture(
        input=Shape(3, 8, 8),
        classes=3,
        stem=PatchStem(),
        stages=(Stage(width=8, depth=1, blocks=(block,)),),
        head=PooledHead(),
    )
    list(sweep.check(architecture, 0))  # a valid module with known costs
    if what == "fold":
        monkeypatch.setattr(Pooling, "build", lambda self, shape: WrongFold())
    elif what == "costs":
        monkeypatch.setattr(Pooling, "build", lambda self, shape: nn.Conv2d(8, 8, 1))
    else:
        monkeypatch.setattr(Pooling, "build", lambda self, shape: Wrong(what))
    made: list[str] = []
    with pytest.raises(AssertionError) as caught:
        for each in sweep.check(architecture, 0):
            made.append(each)
    assert made[-1] == check and message in str(caught.value)


@pytest.mark.slow
def test_the_script() -> None:
    found = run_benchmark("sweep.py", "--quick", "--space", "micro")
    assert found["networks"] == 4 and found["failed"] == 0 and found["space"] == "micro"
    assert found["input"] == [1, 32, 32]
