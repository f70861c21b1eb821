"""An entry in timm's registry, for frameworks that take their backbones from ``timm.create_model``.

Importing this module registers it: ``timm.create_model("nas_explorer", file="model.safetensors")``.
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
    """The options of ``timm.create_model`` for ``nas_explorer``, besides those that timm uses
    itself."""

    file: str | Path | None = None
    """The ``.safetensors`` file; by default that of ``pretrained_cfg``."""
    num_classes: int | None = None
    """Classes of a new classifier, if not the file's number; 0: no classifier."""
    in_chans: int | None = None
    """Channels of the images, if not the file's number."""
    global_pool: str = "avg"
    """``avg``, or ``""`` for maps instead of features, which requires ``num_classes=0``."""
    drop_rate: float = 0.0
    """Dropout before the classifier, in training."""
    drop_path_rate: float = 0.0
    """Probability of dropping the last residual branch in training (stochastic depth)."""
    output_stride: int = 32
    """Greatest reduction requested: at least that of the returned maps, or timm's default of 32."""
    features_only: bool = False
    """Whether to return the last map of every size instead of scores."""
    out_indices: Indices = None
    """Indices of the maps to return, from the largest; None: all."""
    pretrained_cfg: Any = None
    """Values that replace those stated in the file, by their names in timm."""
    pretrained_cfg_overlay: Any = None
    """Further values of that kind; they take precedence."""
    cache_dir: Any = None
    """Ignored, since nothing is downloaded."""


@register_model
def nas_explorer(pretrained: bool = False, **given: Any) -> TimmNetwork:
    """Return the network of a ``.safetensors`` file that ``nas export`` wrote.

    Args:
        pretrained: Ignored: the weights are always those of the file.
        given: The fields of ``Options``.

    Raises:
        InputError: If an option is unknown or unusable, or the file was not written by an export.
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
            "file must name a .safetensors file of nas export (checkpoint_path does not state its "
            "network), but none was given"
        )
    network, facts = _loaded(file, options)
    network.pretrained_cfg = {**_own_configuration(network, facts), **stated, "file": str(file)}
    network.default_cfg = network.pretrained_cfg
    _adapt(network, options)
    return network


def register(name: str, file: str | Path) -> None:
    """Register a file under a name of its own, for frameworks that pass only a name to timm.

    Raises:
        InputError: If the name has characters other than letters, digits and underscores.
    """
    if not name.isidentifier():
        raise InputError(
            f"a name in timm's registry must have only letters, digits and _, but got {shown(name)}"
        )

    def entry(pretrained: bool = False, **given: Any) -> TimmNetwork:
        return nas_explorer(pretrained, **{"file": file, **given})

    entry.__name__ = name
    register_model(entry)


def _configuration(options: Options) -> dict[str, Any]:
    """Return the values that replace those of the file's own configuration."""
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
    """Return the network for images of the requested channels, and the file's metadata."""
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
    """Return weights for images of other channels, converted as in timm.

    Kernels over all channels are summed for a single channel, else repeated in turn and scaled,
    which keeps the size of the outputs.
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
    """Return the names of the weights with different shapes."""
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
    """Return the file's metadata as timm's configuration, without values that the file lacks."""
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
    """Return the names of the modules with these weights; a single one as a plain string."""
    found = tuple(dict.fromkeys(name.rpartition(".")[0] for name in weights))
    return found[0] if len(found) == 1 else found


def _adapt(network: TimmNetwork, options: Options) -> None:
    """Apply the options to the network."""
    if not 0 <= options.drop_rate < 1:
        raise InputError(f"drop_rate must be from 0 to below 1, but got {options.drop_rate}")
    network.drop_rate = options.drop_rate
    network.set_drop_path(options.drop_path_rate)
    if isinstance(network, FeatureNetwork):
        network.take(options.out_indices)
    elif options.out_indices is not None:
        raise InputError("out_indices must come with features_only, but got features_only=False")
    _check_stride(network, options.output_stride)
    if isinstance(network, FeatureNetwork):
        for name in ("num_classes", "classifier"):  # as in timm
            network.pretrained_cfg.pop(name, None)
        return
    classes = network.num_classes if options.num_classes is None else options.num_classes
    if classes != network.num_classes or options.global_pool != network.global_pool:
        network.reset_classifier(classes, options.global_pool)


def _check_stride(network: TimmNetwork, wanted: int) -> None:
    """Reject a reduction smaller than that of the maps, since strides are those of the training."""
    reductions = [each["reduction"] for each in network.feature_info]
    if isinstance(network, FeatureNetwork):
        least = max(network.feature_info.reduction())
    else:
        least = network.reduction
    if wanted >= min(32, least):
        return
    fewer = [each for each in reductions if each <= wanted]
    advice = "omit it"
    if fewer and isinstance(network, FeatureNetwork):
        advice += f", or select only the first {len(fewer)} maps ({usual_depth(fewer[-1])})"
    raise InputError(
        f"output_stride must be at least {least}, the reduction of the last map, since strides "
        f"are fixed by the training, but got {wanted}; {advice}"
    )
