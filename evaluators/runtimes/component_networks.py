"""A small network around each component, which a runtime runs to prove that it can."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.stages import Stage
from ...search_space.components.activations import ACTIVATIONS
from ...search_space.components.base import (
    ChannelMixer,
    Component,
    Downsampling,
    Head,
    Norm,
    Stem,
    TokenMixer,
    field_kinds,
)
from ...search_space.components.blocks import MetaFormerBlock
from ...search_space.components.branch_ends import BranchHead, BranchStem
from ...search_space.components.channel_mixers.mlp import Mlp
from ...search_space.components.cross_scale import CrossBranchBlock
from ...search_space.components.heads import PooledHead, TokenHead
from ...search_space.components.mixers.attention import Attention
from ...search_space.components.mixers.trivial import IdentityMixer
from ...search_space.components.norms import BatchNorm
from ...search_space.components.patch_stems import PatchStem, TokenStem
from ...search_space.components.residuals import PlainResidual
from ...search_space.components.tables import TABLES
from ...search_space.components.token_downsampling import TokenDownsampling
from ...search_space.components.wired import Block, Residual
from ...search_space.errors import InputError
from ...search_space.shapes import Shape
from .component_table import ACTIVATION

WIDTH = 64
_CLASSES = 10
_SIDES = (28, 32, 64, 112)
"""Sides of the images; the first that the component takes is used."""

_PLAIN: Mapping[type[Component], Component] = {
    TokenMixer: IdentityMixer(),
    ChannelMixer: Mlp(activation="relu"),
    Norm: BatchNorm(),
    Residual: PlainResidual(),
}
"""Components that every runtime runs, beside the one in question."""


def component_networks() -> Iterator[tuple[str, str, Architecture | None]]:
    """Yield kind and name of every component, with its network; None: it is not exportable."""
    for kind, table in TABLES.items():
        for name, cls in table.items():
            yield kind.kind, name, network_around(cls) if cls.exportable() else None
    for name in ACTIVATIONS:
        yield ACTIVATION, name, _network((_block(channel_mixer=Mlp(activation=name)),) * 2)


def component_kinds() -> dict[str, list[str]]:
    """Return the names of all components by kind."""
    return {kind.kind: [*table] for kind, table in TABLES.items()} | {ACTIVATION: [*ACTIVATIONS]}


def network_around(cls: type[Component]) -> Architecture:
    """Return a network of about two blocks with a component, with its default knobs.

    Components inside it, and beside it, are plain ones where the component takes them, so that a
    runtime that fails fails because of this component.

    Raises:
        InputError: If no network has the component with these neighbours.
    """
    refused: InputError | None = None
    for component in _forms(cls):
        for side in _SIDES:
            try:
                return _around(component, side)
            except InputError as error:
                refused = refused or error
    assert refused is not None
    raise refused


def _forms(cls: type[Component]) -> Iterator[Component]:
    """Yield the component with plain components inside it, then with its own."""
    inside: dict[str, Any] = {
        name: _PLAIN[kind] for name, kind in field_kinds(cls).items() if kind in _PLAIN
    }
    if inside:
        with suppress(InputError):  # the class takes only some components
            yield cls(**inside)
    yield cls()


def _around(component: Component, side: int) -> Architecture:
    match component:
        case CrossBranchBlock() | BranchStem() | BranchHead():
            return _branches()
        case TokenStem() | TokenHead():
            return _columns(side)
        case TokenDownsampling():
            tokens = Stage(width=WIDTH, depth=1, blocks=_TOKENS, downsampling=component)
            return _network((_block(),), later=tokens, head=TokenHead(), side=side)
        case TokenMixer():
            return _network((_block(mixer=component),) * 2, side=side)
        case ChannelMixer():
            return _network((_block(channel_mixer=component),) * 2, side=side)
        case Norm():
            return _network((_block(norm=component),) * 2, side=side)
        case Residual():
            return _network((_block(residual=component),) * 2, side=side)
        case Block():
            return _network((component,) * 2, side=side)
        case Stem():
            return _network((_block(),), stem=component, side=side)
        case Head():
            return _network((_block(),), head=component, side=side)
        case Downsampling():
            later = Stage(width=WIDTH, depth=1, blocks=(_block(),), downsampling=component)
            return _network((_block(),), later=later, side=side)
        case _:
            raise InputError(f"a component must be of a known kind, but got {component.kind!r}")


_TOKENS = (MetaFormerBlock(mixer=Attention(), norm=BatchNorm()),)


def _block(**fields: Any) -> Block:
    plain: dict[str, Any] = {
        "mixer": _PLAIN[TokenMixer],
        "channel_mixer": _PLAIN[ChannelMixer],
        "norm": _PLAIN[Norm],
    }
    return MetaFormerBlock(**(plain | fields))


def _network(
    blocks: tuple[Block, ...],
    *,
    stem: Stem | None = None,
    later: Stage | None = None,
    head: Head | None = None,
    side: int = _SIDES[0],
) -> Architecture:
    first = Stage(width=WIDTH, depth=len(blocks), blocks=blocks)
    return Architecture(
        input=Shape(3, side, side),
        classes=_CLASSES,
        stem=stem or PatchStem(patch_size=2, norm=BatchNorm()),
        stages=(first, later) if later else (first,),
        head=head or PooledHead(norm=BatchNorm()),
    )


def _columns(side: int) -> Architecture:
    """Return a network whose stem gives class tokens."""
    return Architecture(
        input=Shape(3, side, side),
        classes=_CLASSES,
        stem=TokenStem(patch_size=4),
        stages=(Stage(width=WIDTH, depth=1, blocks=_TOKENS),),
        head=TokenHead(),
    )


def _branches() -> Architecture:
    """Return a network of two branches of patches."""
    side = 16
    stem = BranchStem(small_patch=4, large_patch=8)
    large = stem.tokens(side, side)[1]
    return Architecture(
        input=Shape(3, side, side),
        classes=_CLASSES,
        stem=stem,
        stages=(Stage(width=WIDTH, depth=1, blocks=(CrossBranchBlock(large=large),)),),
        head=BranchHead(large=large),
    )
