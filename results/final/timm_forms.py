"""Weights of timm's networks with attention, in the form and order of ours."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
"""Tensors by timm's names, in order."""


def in_our_form(model: nn.Module, weights: Weights) -> Weights:
    """Return the weights of a network of timm with tensors merged, turned and moved as in ours.

    Networks of classes that are not listed keep their weights.
    """
    change = _FORMS.get(type(model).__name__)
    return weights if change is None else change(weights)


def _ordered(weights: Weights, where: str, order: Sequence[str]) -> Weights:
    """Return weights with those of each module in a given order of the module's parts.

    Args:
        weights: The weights.
        where: Pattern of the names of the modules.
        order: Beginnings of the names of weights inside a module; others come first.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in weights:
        found = re.match(rf"({where})\.(.*)", name)
        group, inner = found.groups()[:2] if found else (name, "")
        groups.setdefault(group, []).append((inner, name))

    def rank(entry: tuple[str, str]) -> int:
        fits = (n for n, each in enumerate(order) if re.match(rf"{each}(\.|$)", entry[0]))
        return next(fits, -1)

    names = (name for group in groups.values() for _, name in sorted(group, key=rank))
    return {name: weights[name] for name in names}


def _before(weights: Weights, name: str, place: str) -> Weights:
    """Return weights with one tensor moved before the first whose name begins with ``place``."""

    def moved() -> Iterator[str]:
        waiting = True
        for each in weights:
            if waiting and each.startswith(place):
                waiting = False
                yield name
            if each != name:
                yield each

    return {each: weights[each] for each in moved()}


def _distilled(weights: Weights) -> Weights:
    """Put both learned tokens into one tensor."""
    both = torch.cat([weights[name] for name in ("cls_token", "dist_token")], 1)
    return {"tokens": both} | {n: w for n, w in weights.items() if n[-6:] != "_token"}


def _swin(weights: Weights) -> Weights:
    """Put the table of positions behind the linear maps, heads first."""
    turned = {n: w.T if n.endswith("bias_table") else w for n, w in weights.items()}
    return _ordered(turned, r".*\.attn", ("qkv", "proj", "relative_position_bias_table"))


def _swin2(weights: Weights) -> Weights:
    """Put positions and factors of the scores behind the linear maps."""
    order = ("q_bias", "v_bias", "qkv", "proj", "cpb_mlp", "logit_scale")
    return _ordered(weights, r".*\.attn", order)


def _pooled_keys(weights: Weights) -> Weights:
    """Put the maps of patches before that of keys; merge the maps where keys are not pooled."""
    merged: Weights = {}
    for name, value in weights.items():
        place, _, kind = name.rpartition(".attn.")
        if place and not any(n.startswith(f"{place}.attn.sr") for n in weights):
            if kind.startswith("q."):
                both = value, weights[f"{place}.attn.kv.{kind[2:]}"]
                merged[f"{place}.attn.qkv.{kind[2:]}"] = torch.cat(both)
                continue
            if kind.startswith("kv."):
                continue
        merged[name] = value
    return _ordered(merged, r".*\.attn", ("q", "sr", "norm", "kv", "proj"))


def _twins(weights: Weights) -> Weights:
    """Put patches, blocks and positions of a stage together."""
    stages = sorted({n.split(".")[1] for n in weights if n.startswith("blocks.")})
    patterns = [
        pattern.format(stage)
        for stage in stages
        for pattern in (
            r"patch_embeds\.{0}\..*",
            r"blocks\.{0}\.0\..*",
            r"pos_block\.{0}\..*",
            r"blocks\.{0}\..*",
        )
    ]
    names: dict[str, None] = {}
    for pattern in (*patterns, ".*"):
        names |= dict.fromkeys(name for name in weights if re.fullmatch(pattern, name))
    return _pooled_keys({name: weights[name] for name in names})


def _xcit(weights: Weights) -> Weights:
    """Put the factors of residuals behind their branches, and the class token into the head."""
    weights = _before(weights, "cls_token", "cls_attn_blocks.")
    order = (
        *("norm1", "attn", "gamma1"),
        *("norm3", "local_mp", "gamma3"),
        *("norm2", "mlp", "gamma2"),
    )
    return _ordered(weights, r"blocks\.\d+", order)


def _cait(weights: Weights) -> Weights:
    """Put the factors of residuals behind their branches, and the class token into the head."""
    weights = _before(weights, "cls_token", "blocks_token_only.")
    weights = _before(weights, "pos_embed", "blocks.")
    weights["pos_embed"] = weights["pos_embed"].transpose(1, 2)
    order = ("norm1", "attn", "gamma_1", "norm2", "mlp", "gamma_2")
    return _ordered(weights, r"blocks\.\d+", order)


def _edgenext(weights: Weights) -> Weights:
    """Put the factors of residuals behind their branches."""
    order = (
        *("gamma_xca", "convs", "pos_embd", "norm_xca", "xca"),
        *("conv_dw", "norm", "mlp", "gamma"),
    )
    return _ordered(weights, r"stages\.\d+\.blocks\.\d+", order)


def _efficientformer(weights: Weights) -> Weights:
    """Leave out the numbers of the distances."""
    return {n: w for n, w in weights.items() if not n.endswith("attention_bias_idxs")}


def _convit(weights: Weights) -> Weights:
    """Put the class token before the blocks that it joins, and the map of values behind others."""
    joint = next(n for n in weights if n.endswith("attn.qkv.weight")).rpartition("attn.")[0]
    weights = _before(_before(weights, "cls_token", joint), "pos_embed", "blocks.")
    weights["pos_embed"] = weights["pos_embed"].transpose(1, 2)
    merged: Weights = {}
    for name, value in weights.items():
        if ".attn.qk." in name:
            value = torch.cat((value, weights[name.replace(".qk.", ".v.")]))
        if ".attn.v." not in name:
            merged[name] = value
    return merged


_FORMS: Mapping[str, Callable[[Weights], Weights]] = {
    "VisionTransformerDistilled": _distilled,
    "SwinTransformer": _swin,
    "SwinTransformerV2": _swin2,
    "Twins": _twins,
    "PyramidVisionTransformerV2": _pooled_keys,
    "Xcit": _xcit,
    "Cait": _cait,
    "EdgeNeXt": _edgenext,
    "EfficientFormer": _efficientformer,
    "ConVit": _convit,
}
