"""timm's weights for published networks: they are taken over where they give timm's scores."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...evaluators.accuracy.inherit import Source
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.heads import MlpHead, PooledHead
from ...search_space.components.norms import LayerNorm
from ...search_space.errors import InputError, unknown_name
from ...search_space.zoo import ZooEntry, zoo_entry
from ...search_space.zoo.names import plain_name, untagged
from ..export.base import first_line
from .timm_forms import in_our_form

_CLOSE = 1e-3
"""Largest difference of scores, as a share of the difference between two images, of equal
functions."""


def timm_source(name: str, file: Path | None = None) -> Source:
    """Return a published network with the weights of timm's network of this name.

    Args:
        name: A name of the zoo, which timm has too; after a dot, timm's tag of the weights.
        file: File of timm's weights; None: timm's own cache, or its download.

    Raises:
        InputError: If timm is missing, or has no such network or weights, the weights cannot be
            read, or they do not give timm's scores here.
    """
    entry = zoo_entry(name)
    if file is not None and not file.is_file():
        raise InputError(f"a file of timm's weights must exist, but got {str(file)!r}")
    if find_spec("timm") is None:
        raise InputError(
            f"init timm:{name} must come with timm installed: uv pip install timm, but it is not"
        )
    theirs = timms_name(entry, name)
    if theirs is None:
        raise InputError(f"init timm:NAME must name a network of timm, but got {name!r}")
    made = _made(theirs if file else theirs + _tag(name, theirs), file)
    architecture = timms_form(entry.architecture, theirs)
    weights = our_weights(architecture, in_our_order(made))
    _check_scores(theirs, made, architecture, weights)
    return Source(name=f"timm:{name}", architecture=architecture, weights=weights)


def _tag(name: str, theirs: str) -> str:
    """Return timm's tag of the weights that a name asks for, with its dot; empty for the default.

    Raises:
        InputError: If timm has no weights of this tag.
    """
    import timm

    if len([*untagged(name)]) == 1:
        return ""
    tag = name.partition(".")[2]
    known = [each.partition(".")[2] for each in timm.list_models(f"{theirs}.*", pretrained=True)]
    if tag not in known:
        raise unknown_name(f"the tag of timm's weights of {theirs}", tag, known)
    return f".{tag}"


def timms_name(entry: ZooEntry, name: str) -> str | None:
    """Return timm's name of a published network, or None if timm lacks the network.

    ViT and DeiT are one architecture with two sets of weights: a name of DeiT gives timm's DeiT,
    and any other name gives timm's network of the entry's own name.

    Args:
        entry: The published network.
        name: The name that it was asked for by.
    """
    import timm

    known = {plain_name(each) for each in (name, entry.name, *entry.aliases)}
    asked = plain_name(name.partition(".")[0])

    def rank(each: str) -> tuple[bool, bool, bool]:
        plain = plain_name(each)
        of_deit = plain.startswith("deit") != asked.startswith("deit")
        return plain != asked, of_deit, plain != plain_name(entry.name)

    names = [each for each in timm.list_models() if plain_name(each) in known]
    return min(names, key=rank, default=None)


def _made(name: str, file: Path | None) -> nn.Module:
    """Return timm's network with trained weights."""
    import timm
    from timm.models import load_checkpoint

    try:
        if file is None:
            return timm.create_model(name, pretrained=True).eval()
        with torch.random.fork_rng(devices=[]):
            model = timm.create_model(name, pretrained=False).eval()
        load_checkpoint(model, str(file))
    except Exception as error:  # from timm's readers and its download
        where = f"file {str(file)!r}" if file else "timm's cache or its download"
        raise InputError(
            f"weights of timm:{name} must be readable from {where}, but: {first_line(error)}"
        ) from error
    return model


def timms_form(architecture: Architecture, name: str) -> Architecture:
    """Return a published network with timm's head, if that is not the published one.

    timm's poolformers norm after the mean, and the norm in its heads has another epsilon.
    """
    head = architecture.head
    if name.startswith("poolformer_"):
        head = PooledHead(norm=LayerNorm())
    if isinstance(head, MlpHead):
        head = replace(head, inner_eps=1e-6)
    return replace(architecture, head=head)


def in_our_order(model: nn.Module) -> list[Tensor]:
    """Return the weights of a network of timm in the order of ours.

    timm lists the scales of a block before its layers; in FasterNet, a block's spatial mixing and a
    stage's downsampling come last; LeViT groups queries, keys and values by head, ours by kind.
    """
    weights = in_our_form(model, model.state_dict())
    if any(hasattr(module, "key_attn_dim") for module in model.modules()):
        return _by_kind(model, weights)
    names = list(weights)
    for late in (".spatial_mixing.", ".downsample."):
        for name in [name for name in reversed(names) if re.match(rf"stages.*\{late}", name)]:
            names.remove(name)
            place, _, _ = name.partition(late)
            first = min(index for index, other in enumerate(names) if other.startswith(place))
            names.insert(first, name)
    after = {".gamma": "", ".ls1": "linear_tokens", ".ls2": ""}
    early = [name for name in names if name.endswith(tuple(after)) and ".ls" not in name[:-4]]
    for name in early:
        names.remove(name)
        block, _, scale = name.rpartition(".")
        layer = f"{block}.{after[f'.{scale}']}"
        last = max(index for index, other in enumerate(names) if other.startswith(layer))
        names.insert(last + 1, name)
    return [weights[name] for name in names if "num_batches_tracked" not in name]


def _by_kind(model: nn.Module, weights: dict[str, Tensor]) -> list[Tensor]:
    for name, module in model.named_modules():
        if hasattr(module, "key_attn_dim"):
            found: Any = module
            queries_too = hasattr(module, "qkv")
            made = [found.key_dim] * (1 + queries_too) + [found.val_dim]
            place = f"{name}.{'qkv' if queries_too else 'kv'}."
            for each in [each for each in weights if each.startswith(place)]:
                if weights[each].dim():
                    heads = weights[each].unflatten(0, (found.num_heads, -1)).split(made, 1)
                    weights[each] = torch.cat([part.flatten(0, 1) for part in heads])
    return [weights[name] for name in weights if "num_batches_tracked" not in name]


def our_weights(architecture: Architecture, given: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the state of our network with given weights in its order; kernels beyond the map are
    cropped.

    Raises:
        InputError: If number or sizes of the weights are others.
    """
    with torch.random.fork_rng(devices=[]):
        state = Network(architecture).state_dict()
    ours = {name: each for name, each in state.items() if "num_batches_tracked" not in name}
    fits = len(ours) == len(given)
    for value, theirs in zip(ours.values(), given, strict=False):
        if theirs.dim() == 4 and theirs.shape[0] == value.shape[0] and value.dim() == 4:
            rows, columns = (
                max(0, (theirs.shape[axis] - value.shape[axis]) // 2) for axis in (2, 3)
            )
            theirs = theirs[:, :, rows : rows + value.shape[2], columns : columns + value.shape[3]]
        fits = fits and theirs.numel() == value.numel()
        if fits:
            value.copy_(theirs.reshape(value.shape))
    if not fits:
        raise InputError(
            "weights of timm must fit the published network, but their number or sizes differ"
        )
    return state


@torch.no_grad()
def _check_scores(
    name: str, model: nn.Module, architecture: Architecture, weights: Mapping[str, Tensor]
) -> None:
    """Check that our network gives timm's scores on random images.

    Raises:
        InputError: If it does not.
    """
    with torch.random.fork_rng(devices=[]):
        network = Network(architecture).eval()
    network.load_state_dict(weights)
    draw = torch.Generator().manual_seed(0)
    channels, height, width = architecture.input
    patches = torch.randn(2, channels, 7, 7, generator=draw)
    images = F.interpolate(patches, (height, width), mode="bilinear")
    images += 0.5 * torch.randn(images.shape, generator=draw)
    expected = model(images)
    # What does not depend on the image says nothing.
    spread = float((expected[0] - expected[1]).abs().max())
    difference = float((network(images) - expected).abs().max()) / max(spread, 1e-30)
    if not difference <= _CLOSE:
        raise InputError(
            f"the function of a published network must be timm's for init timm:{name}, but its "
            f"scores differ by {100 * difference:.2g} % of what they differ between two images"
        )
