"""Small spaces, and an enumeration of them that is independent of the walk."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, cast

import yaml
from nas_explorer.search_space.architecture.architecture import Architecture
from nas_explorer.search_space.architecture.stages import Stage
from nas_explorer.search_space.components.base import (
    Component,
    Downsampling,
    Head,
    Stem,
    field_kinds,
)
from nas_explorer.search_space.components.tables import component_class
from nas_explorer.search_space.components.wired import Block
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.files import load_space, space_from_data
from nas_explorer.search_space.shapes import Shape
from nas_explorer.search_space.space import SearchSpace

SMALL: dict[str, str] = {
    "clipped kernels": """
        input: {channels: 1, resolution: 8, classes: 3}
        stem: {conv: {kernel_size: 3, stride: [1, 2]}}
        stages:
          - width: [4, 6]
            depth: 1
            block: {metaformer: {mixer: {large_kernel_conv: {kernel_size: [3, 7, 13, 15, 31]}}}}
          - width: 8
            depth: [1, 2]
            downsampling: {conv: {kernel_size: [2, 3]}}
            block: {metaformer: {mixer: {pooling: {kernel_size: {min: 3, max: 31, step: 2}}}}}
        head: pooled
        """,
    "ratios that meet": """
        input: {channels: 3, resolution: 4, classes: 2}
        stem: {patch: {patch_size: [1, 2, 4, 8], norm: [none, layer_norm]}}
        stages:
          - width: [4, 8]
            depth: 2
            block:
              metaformer:
                mixer: {separable_conv: {expansion: [1, 1.1, 1.5], kernel_size: [3, 7]}}
                channel_mixer: {mlp: {ratio: [2, 2.05, 2.1]}, glu: {ratio: [1, 1.5, 3]}, none: }
        head: {pooled: {norm: [layer_norm, none], norm_first: [false, true]}}
        """,
    "one fixed pattern": """
        input: {channels: 3, resolution: 8, classes: 2}
        stem: patch
        stages:
          - width: 8
            depth: {min: 1, max: 3}
            pattern: last
            block: {metaformer: {mixer: [identity, random, pooling]}}
        head: pooled
        """,
    "widths that must match": """
        input: {channels: 3, resolution: 8, classes: 2}
        stem: {patch: {patch_size: [4, 8]}}
        every_stage:
          depth: 1
          block: {metaformer: {mixer: {attention: {head_dim: [6, 8]}}}}
        stages:
          - {width: [8, 12, 24]}
          - {width: [12, 16, 24], downsampling: none}
          - {width: [6, 12, 20], downsampling: [none, pool]}
        head: [pooled, mlp]
        """,
}
"""Spaces whose walks all lead to different networks."""

REPEATED: dict[str, str] = {
    "patterns": """
        input: {channels: 3, resolution: 8, classes: 2}
        stem: patch
        stages:
          - width: 8
            depth: {min: 1, max: 4}
            pattern: [last, uniform, alternate]
            block:
              metaformer:
                mixer: {identity: , pooling: {kernel_size: [3, 5]}, attention: {head_dim: [4, 8]}}
                residual: [plain, res_scale]
        head: pooled
        """,
    "kinds of blocks": """
        input: {channels: 3, resolution: 4, classes: 2}
        stem: patch
        stages:
          - width: 6
            depth: [1, 3]
            pattern: any
            block:
              metaformer: {mixer: [identity, token_mlp], norm: [layer_norm, none]}
              convnext: {mixer: [large_kernel_conv, token_mlp], residual: [plain, layer_scale]}
        head: pooled
        """,
}
"""Spaces in which two walks lead to one network exactly if the second mixer equals the first."""

MEETING: dict[str, str] = {
    "stages left out": """
        input: {channels: 3, resolution: 8, classes: 2}
        stem: {patch: {patch_size: 2}}
        every_stage:
          width: 8
          block: {metaformer: {mixer: [identity, pooling]}}
          downsampling: [none, pool]
        stages: [{depth: [0, 1]}, {depth: [0, 1, 2]}, {depth: [0, 1]}]
        head: pooled
        """,
    "a stage cut in two": """
        input: {channels: 3, resolution: 8, classes: 2}
        stem: patch
        every_stage: {width: 8, block: metaformer, depth: [1, 2, 3]}
        stages: [{}, {downsampling: none}]
        head: pooled
        """,
    "blocks that are alike": """
        input: {channels: 3, resolution: 8, classes: 2}
        stem: patch
        every_stage: {width: 8, depth: [0, 1, 2], downsampling: [none, pool]}
        stages:
          - depth: [1, 2]
            pattern: any
            block:
              metaformer:
                mixer: [identity, pooling]
                channel_mixer: [none, mlp]
                norm: none
                post_norm: [false, true]
              residual: {mixer: [identity, pooling], residual: plain}
              integration:
                {local: [identity, pooling], mixer: pooling, channel_mixer: none, norm: none}
              guided: {mixer: pooling, channel_mixer: none, refresh: [false, true]}
              none:
          - block: {channel: {norm: none}}
        head: pooled
        """,
}
"""Spaces in which several walks can lead to one network."""


@cache
def shipped_space(name: str) -> SearchSpace:
    """Return a shipped space; cached, since reading one takes up to two seconds."""
    return load_space(name)


def small_space(text: str) -> SearchSpace:
    return space_from_data(yaml.safe_load(text))


@cache
def every_architecture(text: str) -> dict[str, Architecture]:
    """Return all architectures that a small space's text allows, by digest, tested one by one."""
    data = yaml.safe_load(text)
    size = data["input"]
    image = Shape(size["channels"], size["resolution"], size["resolution"])
    every = data.get("every_stage", {})
    stages = [list(_stages({**every, **stage})) for stage in data["stages"]]
    stems, heads = list(_components(Stem, data["stem"])), list(_components(Head, data["head"]))
    found: dict[str, Architecture] = {}
    for stem, head, chosen in product(stems, heads, product(*stages)):
        try:
            architecture = Architecture(
                input=image,
                classes=size["classes"],
                stem=cast(Stem, stem),
                stages=chosen,
                head=cast(Head, head),
            )
        except InputError:
            continue
        found[architecture.digest] = architecture
    return found


def _values(data: Any) -> list[Any]:
    if isinstance(data, Mapping):
        return list(range(data["min"], data["max"] + 1, data.get("step", 1)))
    return data if isinstance(data, list) else [data]


def _components(kind: type[Component], data: Any) -> Iterator[Component]:
    """Yield every component that a slot of the file allows, for any map."""
    named = data if isinstance(data, Mapping) else dict.fromkeys(_values(data))
    for name, fields in named.items():
        cls = component_class(kind, name)
        kinds = field_kinds(cls)
        options = [
            list(_components(kinds[field], given)) if field in kinds else _values(given)
            for field, given in (fields or {}).items()
        ]
        for chosen in product(*options):
            yield cls(**dict(zip(fields or {}, chosen, strict=True)))


def _stages(data: Mapping[str, Any]) -> Iterator[Stage]:
    """Yield every stage that a part of the file allows; a pattern varies only the mixer."""
    downs = list(_components(Downsampling, data.get("downsampling", [])))
    blocks = cast(list[Block], list(_components(Block, data["block"])))
    given = data.get("pattern", "uniform")
    patterns = ("uniform", "alternate", "last") if given == "any" else _values(given)
    sizes = product(_values(data["depth"]), _values(data["width"]), downs or [None])
    for (depth, width, down), pattern in product(sizes, patterns):
        for chosen in _blocks(blocks, pattern, depth):
            yield Stage(
                width=width,
                depth=depth,
                blocks=chosen,
                downsampling=cast(Downsampling | None, down),
            )


def _blocks(blocks: list[Block], pattern: str, depth: int) -> Iterator[tuple[Block, ...]]:
    """Yield every pattern of blocks; its two mixers may be equal."""
    for first in blocks:
        if pattern == "uniform" or depth < 2 or len(blocks) < 2:
            yield (first,)
            continue
        for second in blocks:
            like = {**vars(first), "mixer": None} == {**vars(second), "mixer": None}
            if type(first) is type(second) and like:
                both = (first, second)
                yield both if pattern == "alternate" else (first,) * (depth - 1) + (second,)
