"""An entry in timm's registry, for frameworks that take their backbones from ``timm.create_model``.

Importing this module makes it: ``timm.create_model("nas_explorer", file="model.safetensors")``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from timm.models import PretrainedCfg, register_model
from torch import Tensor

from ...evaluators.accuracy.data.preparation import Preparation
from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError, shown, unknown_name
from .file_proof import timm_configuration
from .header import read_facts, read_header
from .networks import trained_network
from .timm_network import FeatureNetwork, Indices, TimmNetwork, usual_depth
from .weights import read_weights


@dataclass(frozen=True, kw_only=True)
class Options:
    """What ``timm.create_model`` takes for ``nas_explorer``, beside what timm itself uses."""

    file: str | Path | None = None
    """The ``.safetensors`` file; else that of the configuration."""
    num_classes: int | None = None
    """Classes of a new classifier, where it is not the number that the file has; 0: none."""
    in_chans: int | None = None
    """Channels of the images, where it is not the number that the file has."""
    global_pool: str = "avg"
    """``avg``; ``""`` for maps instead of features, with ``num_classes=0``."""
    drop_rate: float = 0.0
    """Dropout before the classifier, in training."""
    drop_path_rate: float = 0.0
    """How often the last residual branch is left out in training."""
    output_stride: int = 32
    """Largest reduction wanted: that of the maps taken or more, or 32, which timm has for any."""
    features_only: bool = False
    """Return the last map of every size instead of scores."""
    out_indices: Indices = None
    """Maps to return, from the largest; none: all."""
    pretrained_cfg: Any = None
    """Values that stand in place of those that the file states, by their names in timm."""
    pretrained_cfg_overlay: Any = None
    """The same."""
    cache_dir: Any = None
    """Not used: nothing is downloaded."""


@register_model
def nas_explorer(pretrained: bool = False, **given: Any) -> TimmNetwork:
    """Return the network of a ``.safetensors`` file that ``nas export`` wrote.

    Args:
        pretrained: Makes no difference: the weights are the file's.
        given: The fields of ``Options``.

    Raises:
        InputError: If an option is unknown or cannot be used, or the file is not one of ours.
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise unknown_name("an option of nas_explorer", name, [*known, "checkpoint_path"])
    options = Options(**given)
    stated = _configuration(options)
    file = options.file or stated.get("file")
    if file is None:
        raise InputError(
            "file must name a .safetensors file of nas export (checkpoint_path does not say which "
            "network it is of), but none was given"
        )
    network, facts = _loaded(file, options)
    network.pretrained_cfg = {**_own_configuration(network, facts), **stated, "file": str(file)}
    network.default_cfg = network.pretrained_cfg
    _adapt(network, options)
    return network


def register(name: str, file: str | Path) -> None:
    """Make an entry of its own for a file, for frameworks that pass nothing on but a name.

    Raises:
        InputError: If the name is not one of letters, digits and underscores.
    """
    if not name.isidentifier():
        raise InputError(f"a name in timm's registry must be a word, but got {shown(name)}")

    def entry(pretrained: bool = False, **given: Any) -> TimmNetwork:
        return nas_explorer(pretrained, **{"file": file, **given})

    entry.__name__ = name
    register_model(entry)


def _configuration(options: Options) -> dict[str, Any]:
    """Return what is given in place of the file's own configuration."""
    known = [field.name for field in fields(PretrainedCfg)]
    stated: dict[str, Any] = {}
    for given in (options.pretrained_cfg, options.pretrained_cfg_overlay):
        if isinstance(given, PretrainedCfg):
            usual = asdict(PretrainedCfg())
            given = {name: each for name, each in asdict(given).items() if each != usual[name]}
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"pretrained_cfg must be a mapping, but got {shown(given)}")
        for name in given or ():
            if name not in known:
                raise unknown_name("a key of pretrained_cfg", name, known)
        stated.update(given or {})
    return stated


def _loaded(file: str | Path, options: Options) -> tuple[TimmNetwork, Mapping[str, Any]]:
    """Return the network, for images of the channels wanted, and what the file states."""
    weights, header = read_weights(Path(file))
    try:
        architecture, facts = read_header(header), read_facts(header)
        if options.in_chans not in (None, architecture.input.channels):
            wider = replace(
                architecture, input=architecture.input._replace(channels=options.in_chans)
            )
            weights = _for_channels(weights, architecture, wider)
            architecture = wider
        kind = FeatureNetwork if options.features_only else TimmNetwork
        return trained_network(architecture, weights, kind), facts
    except InputError as error:
        raise InputError(f"{str(file)!r}: {error}") from error


def _for_channels(
    weights: Mapping[str, Tensor], old: Architecture, new: Architecture
) -> dict[str, Tensor]:
    """Return weights for images of other channels, as timm makes them.

    The kernels over all channels are summed for a single one, else repeated in turn and scaled, so
    that what goes on stays as large.
    """
    before, after = old.input.channels, new.input.channels
    changed: dict[str, Tensor] = {}
    for name in _differing(old, new):
        kernel = weights.get(name)
        if kernel is None or kernel.dim() != 4 or kernel.shape[1] != before:
            raise InputError(
                f"in_chans must be {before} for this network, since {name} is no kernel over all "
                f"channels, but got {after}"
            )
        turns = torch.arange(after) % before
        summed = kernel.sum(1, keepdim=True)
        changed[name] = summed if after == 1 else kernel[:, turns] * (before / after)
    return {**weights, **changed}


def _differing(one: Architecture, other: Architecture) -> list[str]:
    """Return the names of the weights whose shapes differ."""
    with torch.device("meta"):
        states = [
            {
                f"{part.name}.{name}": each.shape
                for part in architecture.parts()
                if part.name in ("stem", "head")
                for name, each in part.build().state_dict().items()
            }
            for architecture in (one, other)
        ]
    first, second = states
    return [name for name in first if first[name] != second.get(name)]


def _own_configuration(network: TimmNetwork, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the file states in timm's words; what it does not state is left out."""
    architecture = network.architecture
    size = architecture.input
    last = architecture.parts()[-1].in_shapes[0]
    more_classes = replace(architecture, classes=architecture.classes + 1)
    more_channels = replace(architecture, input=size._replace(channels=size.channels + 1))
    stated = {
        "architecture": "nas_explorer",
        "input_size": tuple(size),
        "fixed_input_size": network.fixed_input_size,
        "num_classes": architecture.classes,
        "pool_size": (last.height, last.width),
        "first_conv": _modules(_differing(architecture, more_channels)),
        "classifier": _modules(_differing(architecture, more_classes)),
        "license": facts.get("licence"),
    }
    prepared = Preparation.of(facts)
    if prepared is None:
        return stated
    return {
        **stated,
        **timm_configuration(prepared),
        "label_names": prepared.classes,
    }


def _modules(weights: list[str]) -> str | tuple[str, ...]:
    """Return the modules of weights, one by its name alone."""
    found = tuple(dict.fromkeys(name.rpartition(".")[0] for name in weights))
    return found[0] if len(found) == 1 else found


def _adapt(network: TimmNetwork, options: Options) -> None:
    """Make the network what the options say."""
    if not 0 <= options.drop_rate < 1:
        raise InputError(f"drop_rate must be from 0 to below 1, but got {options.drop_rate}")
    network.drop_rate = options.drop_rate
    network.set_drop_path(options.drop_path_rate)
    if isinstance(network, FeatureNetwork):
        network.take(options.out_indices)
    elif options.out_indices is not None:
        raise InputError("out_indices must come with features_only, but it is not asked for")
    _check_stride(network, options.output_stride)
    if isinstance(network, FeatureNetwork):
        for name in ("num_classes", "classifier"):  # as timm leaves them out
            network.pretrained_cfg.pop(name, None)
        return
    classes = network.num_classes if options.num_classes is None else options.num_classes
    if classes != network.num_classes or options.global_pool != network.global_pool:
        network.reset_classifier(classes, options.global_pool)


def _check_stride(network: TimmNetwork, wanted: int) -> None:
    """Refuse a reduction smaller than that of the maps: strides are what they were in training."""
    reductions = [each["reduction"] for each in network.feature_info]
    if isinstance(network, FeatureNetwork):
        least = max(network.feature_info.reduction())
    else:
        least = network.reduction
    if wanted >= min(32, least):
        return
    fewer = [each for each in reductions if each <= wanted]
    advice = "leave it out"
    if fewer and isinstance(network, FeatureNetwork):
        advice += f", or take the first {len(fewer)} maps alone ({usual_depth(fewer[-1])})"
    raise InputError(
        f"output_stride must be at least {least}, the reduction of the last map, since strides "
        f"stay as they were trained, but got {wanted}; {advice}"
    )
