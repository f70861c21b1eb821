"""Attention mixers compute what timm's modules compute, and start from weights alike."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from nas_explorer.search_space.components.base import TokenMixer
from nas_explorer.search_space.components.mixers.attention import RelativeAttention
from nas_explorer.search_space.components.mixers.gated_position import GatedPositionalAttention
from nas_explorer.search_space.components.mixers.pooled import PooledAttention
from nas_explorer.search_space.components.mixers.windowed import (
    GridAttention,
    HaloAttention,
    WindowAttention,
)
from nas_explorer.search_space.shapes import Shape
from timm.layers.halo_attn import HaloAttn
from timm.layers.pos_embed_rel import RelPosBias
from timm.models import convit, maxxvit, swin_transformer, twins
from torch import Tensor, nn

MAP = Shape(32, 8, 8)

Weights = dict[str, Tensor]
Case = tuple[TokenMixer, Any, Callable[[Tensor], Tensor], Weights]
"""Our mixer; timm's module; its function of a map (B, C, H, W); its weights by our names."""


def last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def first(y: Tensor, side: int = MAP.height) -> Tensor:
    return y.reshape(len(y), side, side, -1).permute(0, 3, 1, 2)


def linears(module: nn.Module, prefix: str = "projection.") -> Weights:
    """Return the weights of ``qkv`` and ``proj``."""
    state = module.state_dict()
    names = {"qkv.weight": prefix, "qkv.bias": prefix, "proj.weight": "", "proj.bias": ""}
    return {f"{ours}{name}": state[name] for name, ours in names.items() if name in state}


def table(module: Any, rows: int, columns: int) -> Tensor:
    """Return a table of biases with our axes."""
    flat = module.relative_position_bias_table.detach()
    return flat.T.reshape(-1, 2 * rows - 1, 2 * columns - 1)


def swin(shift: int) -> Case:
    block = swin_transformer.SwinTransformerBlock(32, MAP[1:], 2, 16, 4, shift)
    weights = linears(block.attn) | {"positions.0.table_hRS": table(block.attn, 4, 4)}
    mixer = WindowAttention(head_dim=16, window_height=4, window_width=4, shifted=shift > 0)
    return mixer, block, lambda x: first(block._attn(last(x))), weights


def unmixed(weights: Weights, heads: int) -> Weights:
    """Return weights whose queries, keys and values alternate between heads, one after another."""
    return {
        name: value.unflatten(0, (heads, 3, -1)).transpose(0, 1).flatten(0, 2)
        if "qkv" in name
        else value
        for name, value in weights.items()
    }


def maxvit(kind: str) -> Case:
    config = maxxvit.MaxxVitTransformerCfg(
        dim_head=16, window_size=(4, 4), grid_size=(4, 4), rel_pos_type="bias"
    )
    block = maxxvit.PartitionAttentionCl(32, kind, config)
    weights = linears(block.attn) | {"positions.0.table_hRS": table(block.attn.rel_pos, 4, 4)}
    mixer: TokenMixer = WindowAttention(head_dim=16, window_height=4, window_width=4)
    if kind == "grid":
        mixer = GridAttention(head_dim=16, grid_size=4)
    if block.attn.head_first:
        weights = unmixed(weights, 2)
    return mixer, block, lambda x: first(block._partition_attn(last(x))), weights


def coatnet() -> Case:
    position = partial(RelPosBias, window_size=MAP[1:])
    module = maxxvit.AttentionCl(32, dim_head=16, rel_pos_cls=position, head_first=False)
    weights = linears(module, "") | {"table_hR": table(module.rel_pos, 8, 8).flatten(1)}
    return RelativeAttention(head_dim=16), module, lambda x: first(module(last(x))), weights


def twins_local() -> Case:
    module = twins.LocallyGroupedAttn(32, 2, ws=4)
    mixer = WindowAttention(head_dim=16, window_height=4, window_width=4, position="none")
    return (
        mixer,
        module,
        lambda x: first(module(last(x).flatten(1, 2), MAP[1:])),
        linears(module),
    )


def twins_global() -> Case:
    module = twins.GlobalSubSampleAttn(32, 2, sr_ratio=2)
    state = module.state_dict()
    names = {name: name for name in state if name.startswith("proj.")}
    names |= {f"projection.{name.replace('sr', 'reduce')}": name for name in state}
    names = {ours: name for ours, name in names.items() if "projection.proj" not in ours}
    weights = {ours: state[name] for ours, name in names.items()}
    mixer = PooledAttention(head_dim=16, stride=2, projection="patch")
    return mixer, module, lambda x: first(module(last(x).flatten(1, 2), MAP[1:])), weights


def halonet() -> Case:
    module = HaloAttn(32, num_heads=2, block_size=4, halo_size=3)
    q, kv = (each.detach()[:, :, 0, 0] for each in (module.q.weight, module.kv.weight))
    k, v = kv.unflatten(0, (2, 2, 16)).unbind(1)
    # Of 2 x 10 - 1 offsets those of 4 queries and 10 keys occur, from the last key to the first.
    vectors = [
        each.detach().flip(0)[:13]
        for each in (module.pos_embed.height_rel, module.pos_embed.width_rel)
    ]
    weights = {
        "projection.qkv.weight": torch.cat((q, k.flatten(0, 1), v.flatten(0, 1))),
        "positions.0.rows_Rd": vectors[0],
        "positions.0.columns_Sd": vectors[1],
        "proj.weight": torch.eye(32),
    }
    mixer = HaloAttention(head_dim=16, block_size=4, halo=3, qkv_bias=False, proj_bias=False)
    return mixer, module, module, weights


def convit_gated() -> Case:
    module = convit.GPSA(32, 4)
    module.local_init()
    state = module.state_dict()
    weights = {
        "projection.qkv.weight": torch.cat((state["qk.weight"], state["v.weight"])),
        "proj.weight": state["proj.weight"],
        "proj.bias": state["proj.bias"],
        "place.weight": state["pos_proj.weight"],
        "place.bias": state["pos_proj.bias"],
        "gate_h": state["gating_param"],
    }
    mixer = GatedPositionalAttention(heads=4)
    return mixer, module, lambda x: first(module(last(x).flatten(1, 2))), weights


CASES: dict[str, Callable[[], Case]] = {
    "swin": partial(swin, 0),
    "swin shifted": partial(swin, 2),
    "maxvit block": partial(maxvit, "block"),
    "maxvit grid": partial(maxvit, "grid"),
    "coatnet": coatnet,
    "twins local": twins_local,
    "twins global": twins_global,
    "halonet": halonet,
    "convit": convit_gated,
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_the_same_function_as_timm(case: Callable[[], Case]) -> None:
    torch.manual_seed(1)
    mixer, theirs, function, weights = case()
    ours = mixer.build(MAP).eval()
    ours.load_state_dict(weights)
    theirs.eval()
    results: list[tuple[Tensor, Tensor]] = []
    for each in (ours, function):
        x = torch.randn(2, *MAP, generator=torch.Generator().manual_seed(2)).requires_grad_()
        y = each(x)
        y.square().sum().backward()
        assert x.grad is not None
        results.append((y, x.grad))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-4 * float(other.detach().abs().max()))


def test_convit_starts_where_timm_starts() -> None:
    for heads in (4, 9, 6):
        theirs = convit.GPSA(36, heads, locality_strength=1.5)
        nn.init.zeros_(theirs.pos_proj.weight)
        theirs.local_init()
        ours = GatedPositionalAttention(heads=heads, strength=1.5).build(Shape(36, 4, 4))
        side = int(heads**0.5)
        place = ours.get_parameter("place.weight")[: side**2]
        assert torch.allclose(place, theirs.pos_proj.weight[: side**2])
        assert torch.equal(ours.get_parameter("projection.qkv.weight")[72:], theirs.v.weight)
        assert torch.equal(ours.get_parameter("gate_h"), theirs.gating_param)
