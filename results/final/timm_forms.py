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


def _mobile(weights: Weights) -> Weights:
    """Give layer scales names of weights, which stay where they are."""
    return {n.replace("layer_scale.gamma", "layer_scale.weight"): w for n, w in weights.items()}


def _joined(weights: Weights, parts: Sequence[str], joint: str) -> Weights:
    """Join the weights of several modules at the place of the first.

    Args:
        weights: The weights.
        parts: Parts of the names of the modules, such as ``.q.``.
        joint: Part of the name of the joint module.
    """
    first, *others = parts
    made: Weights = {}
    for name, value in weights.items():
        if first in name and name.replace(first, others[0]) in weights:
            rest = [weights[name.replace(first, other)] for other in others]
            made[name.replace(first, joint)] = torch.cat((value, *rest)) if value.dim() else value
        elif not any(other in name for other in others):
            made[name] = value
    return made


def _efficientformer2(weights: Weights) -> Weights:
    """Join the maps to queries, keys and values, and put numbers of distances first."""
    plain = {n: w for n, w in weights.items() if not n.endswith("attention_bias_idxs")}
    inside = {n: w for n, w in plain.items() if ".token_mixer." in n}
    joined = _joined(inside, (".q.", ".k.", ".v."), ".qkv.")
    rest = {n: w for n, w in plain.items() if ".token_mixer." not in n}
    downs = _joined(rest, (".k.", ".v."), ".kv.")
    both = joined | downs
    order = [
        name
        for old in plain
        for name in (old, old.replace(".q.", ".qkv."), old.replace(".k.", ".kv."))
        if name in both
    ]
    ordered = {name: both[name] for name in dict.fromkeys(order)}
    return _ordered(ordered, r".*\.downsample", ("attn.attention_biases", "conv", "attn"))


def _maxxvit(weights: Weights) -> Weights:
    """Group queries, keys and values by kind, and put positions where our modules have them."""
    made: Weights = {}
    for name, value in weights.items():
        place, _, kind = name.rpartition(".attn.")
        if kind.startswith("qkv."):
            table = weights.get(f"{place}.attn.rel_pos.relative_position_bias_table")
            if table is None:
                table = weights[f"{place}.attn.rel_pos.mlp.fc2.weight"].T
            if table.dim() == 2:  # a column for each head; else in the order of the paper's code
                value = value.unflatten(0, (table.shape[1], 3, -1)).transpose(0, 1).flatten(0, 2)
        if kind.endswith("bias_table"):
            value = value.T if value.dim() == 2 else value.flip(1, 2)
        made[name] = value
    made = _ordered(made, r".*\.attn", ("qkv", "proj", "rel_pos"))
    # Attention of a whole map that it does not halve has its table first.
    whole = r"stages\.\d+\.blocks\.(?!0\.)\d+\.attn"
    table = "rel_pos.relative_position_bias_table"
    return _ordered(made, whole, (table, "qkv", "proj", "rel_pos.mlp"))


def _halo(weights: Weights) -> Weights:
    """Group keys and values by kind, turn positions, and put shortcuts behind their branches."""
    made: Weights = {}
    for name, value in weights.items():
        if name.endswith("self_attn.kv.weight"):
            rows = weights[name.replace("kv.weight", "pos_embed.height_rel")]
            heads = value.shape[0] // (2 * rows.shape[1])
            value = value.unflatten(0, (heads, 2, -1)).transpose(0, 1).flatten(0, 2)
        if ".pos_embed." in name:  # of a window, of which blocks of 8 have these offsets
            value = value.flip(0)[: len(value) // 2 + 8]
        made[name] = value
    branch = ("conv1_1x1", "conv2_kxk", "attn", "self_attn", "post_attn", "conv3_1x1")
    return _ordered(made, r"stages\.\d+\.\d+", (*branch, "shortcut"))


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
    "MobileNetV3": _mobile,
    "EfficientFormerV2": _efficientformer2,
    "MaxxVit": _maxxvit,
    "ByobNet": _halo,
}
