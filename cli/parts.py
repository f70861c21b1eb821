"""An architecture as lines of text: stages, blocks and their costs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from .shared import shown

if TYPE_CHECKING:
    from ..search_space.architecture.architecture import Architecture
    from ..search_space.architecture.stages import Stage
    from ..search_space.components.wired import Block


def print_parts(architecture: "Architecture", outputs: str = "classes") -> None:
    """Print the stages of an architecture with their costs, and what its outputs are."""
    from ..evaluators.cost.cost import part_cost

    print(f"input      {architecture.input}, {architecture.classes} {outputs}")
    sums: dict[str, list[float]] = {}
    for part in architecture.parts():
        names = part.name.split(".")
        place = ".".join(names[:2]) if names[0] in ("stages", "overview") else names[0]
        cost = part_cost(part)
        for each in dict.fromkeys((place, ".".join(names[:3]))):
            total = sums.setdefault(each, [0, 0])
            total[0] += cost.params
            total[1] += cost.macs
    canonical = architecture.canonical
    print(f"stem       {canonical.stem.label()}{_cost(sums['stem'])}")
    for index, (stage, shape) in enumerate(
        zip(canonical.stages, canonical.stage_shapes, strict=True)
    ):
        _print_stage(f"stages.{index}", stage, f"{shape}, ", sums)
    if canonical.overview:
        for index, stage in enumerate(canonical.overview.stages):
            _print_stage(f"overview.{index}", stage, f"width {stage.width}, ", sums)
        after = f"after stages.{canonical.overview.after - 1}, guides the stages that follow"
        print(f"guide      width {canonical.overview.width}, {after}{_cost(sums['guide'])}")
    print(f"head       {canonical.head.label()}{_cost(sums['head'])}")


def _print_stage(place: str, stage: "Stage", size: str, sums: Mapping[str, list[float]]) -> None:
    tied = ", tied" if stage.tied else ""
    print(f"{place:<10} {size}depth {stage.depth}{tied}{_cost(sums.get(place, [0, 0]))}")
    if stage.downsampling is not None:
        cost = _cost(sums.get(f"{place}.downsampling", [0, 0]))
        print(f"  downsampling     {stage.downsampling.label()}{cost}")
    same: dict[Block, list[int]] = {}
    for index in range(stage.depth):
        same.setdefault(stage.block(index), []).append(index)
    for block, places in same.items():
        print(f"  {block_places(places)}: {block.name}")
        for name, inner in block.components().items():
            print(f"    {name:<14} {inner.label()}")


def block_places(places: Sequence[int]) -> str:
    """Return the text for blocks of a stage, from 0: ``blocks 0-2, 4``, ``block 3``.

    Three or more alternate blocks are ``blocks 0, 2 ... 16``.
    """
    from ..results.numbers import number_ranges

    word = "block" if len(places) == 1 else "blocks"
    steps = {after - before for before, after in pairwise(places)}
    if len(places) > 2 and len(steps) == 1 and steps != {1}:
        return f"{word} {places[0]}, {places[1]} ... {places[-1]}"
    return f"{word} {', '.join(number_ranges(places))}"


def _cost(total: list[float]) -> str:
    return f"   [{shown('params', total[0])} params, {shown('macs', total[1])} MACs]"
