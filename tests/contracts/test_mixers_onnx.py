"""Mixers that claim ONNX support can be exported and give equal outputs; the others are an error of
one line.

A sample of the mixers is exported, and each that ``benchmarks/exports.py`` has not exported yet:
with ``--record`` it writes the list of those that it has.
"""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_explorer.results.export import export_model
from nas_explorer.results.export.networks import fresh_network
from nas_explorer.results.export.program import exported_program
from nas_explorer.results.export.proof import count_macs
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.blocks import MetaFormerBlock
from nas_explorer.search_space.components.channel_mixers.mlp import NoChannelMixer
from nas_explorer.search_space.components.heads import PooledHead
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.norms import NoNorm
from nas_explorer.search_space.components.residuals import NoResidual
from nas_explorer.search_space.components.stems import PatchStem
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape

from ..benchmark_runs import run_benchmark
from ..helpers import names, trained

FREE = {name: cls for name, cls in MIXERS.items() if cls.any_resolution()}
TIED = {name for name, cls in FREE.items() if not cls.any_size_program()}
TRACED = ("separable_conv", "attention", "focal_modulation", "adaptive_frequency_filter")
"""Some mixers that exported programs tie to one size, and some others."""

GROUPS = (
    "separable_conv cond_conv recursive_conv attention raft_mlp token_mlp focal_modulation",
    "rotated_conv window_attention cycle_mlp hyena recurrent",
)
"""Mixers of all kinds of operations; a network of many takes little longer than one of few."""

EXPORTED = Path(__file__).with_name("exported_mixers.txt")
"""List of the mixers that the benchmark has exported."""
_LISTED = EXPORTED.read_text().split()
NEW = [name for name, cls in MIXERS.items() if cls.exportable() and name not in _LISTED]

pytestmark = pytest.mark.usefixtures("one_onnx_table")


def around(*mixers: TokenMixer) -> Architecture:
    """Return the smallest network with one or several mixers, on a map of 32 channels."""
    plain: dict[str, Any] = {"norm": NoNorm(), "residual": NoResidual()}
    blocks = [
        MetaFormerBlock(
            mixer=mixer, channel_mixer=NoChannelMixer(), **(plain if len(mixers) == 1 else {})
        )
        for mixer in mixers
    ]
    return Architecture(
        input=Shape(3, 12, 12),
        classes=3,
        stem=PatchStem(patch_size=2, norm=NoNorm()),
        stages=(Stage(width=32, depth=len(blocks), blocks=tuple(blocks)),),
        head=PooledHead(norm=NoNorm()),
    )


def assert_runs_in_onnx(architecture: Architecture, file: Path, within: float) -> None:
    weights = trained(architecture)
    proof = export_model(architecture, file, weights=weights, metadata={}, seed=0)
    assert proof.relative <= within and proof.agreement == 1
    folded = fresh_network(architecture, seed=0).folded()
    assert proof.macs in (None, count_macs(folded, architecture.input, exported=True))


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.partition(" ")[0])
def test_exportable_mixers_run_in_onnx_with_equal_outputs(group: str, tmp_path: Path) -> None:
    # Each mixer is one term of the sum, so the tolerance of the sum is ten times smaller.
    mixers = [MIXERS[name]() for name in group.split()]
    assert_runs_in_onnx(around(*mixers), tmp_path / "net.onnx", 1e-5)


@pytest.mark.slow
def test_new_mixers_run_in_onnx(tmp_path: Path) -> None:
    for name in NEW:
        assert_runs_in_onnx(around(MIXERS[name]()), tmp_path / f"{name}.onnx", 1e-4)


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    found = run_benchmark("exports.py", "--only", "pooling", "--one-size")
    assert (found["networks"], found["disagreements"]) == (1, 0)


def test_other_mixers_are_refused_in_one_line(tmp_path: Path) -> None:
    for cls in MIXERS.values():
        if not cls.exportable():
            with pytest.raises(InputError) as caught:
                export_model(
                    around(cls()), tmp_path / "net.onnx", weights=None, metadata={}, seed=0
                )
            message = f"a token mixer must be exportable to ONNX, but {cls.name} is not"
            assert str(caught.value) == message
            assert names(tmp_path) == []


def takes_any_size(mixer: TokenMixer) -> bool:
    """Whether the program of a network with the mixer takes maps of three sizes."""
    network = fresh_network(around(mixer), seed=0).folded()
    images = [torch.randn(2, 3, *size) for size in ((12, 12), (20, 12), (14, 18))]
    with torch.no_grad():
        scores = [network(each) for each in images]
        try:
            program = exported_program(network, any_resolution=True).module()
            return all(
                torch.allclose(program(each), score, atol=1e-4)
                for each, score in zip(images, scores, strict=True)
            )
        except Exception:  # raised by the tracer, or by a guard of the program
            return False


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACED)
def test_says_whether_a_program_can_take_maps_of_any_size(name: str) -> None:
    assert takes_any_size(FREE[name]()) == FREE[name].any_size_program()


def test_what_a_program_ties_to_one_size_is_refused_at_once(tmp_path: Path) -> None:
    assert {"hyena", "contmix", "adaptive_frequency_filter"} <= TIED
    mixers: list[Any] = [FREE["hyena"](), MIXERS["recurrent"](cell="gru")]
    for ending, mixer in product(("onnx", "pt2"), mixers):
        with pytest.raises(InputError) as caught:
            export_model(
                around(mixer),
                tmp_path / f"net.{ending}",
                weights=None,
                metadata={},
                seed=0,
                any_resolution=True,
            )
        reason = f"must be traceable for maps of any size, but {mixer.name} is not"
        assert reason in str(caught.value)
