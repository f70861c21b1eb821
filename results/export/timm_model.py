"""An entry in timm's registry, for frameworks that take their backbones from ``timm.create_model``.

Importing this module makes it: ``timm.create_model("nas_explorer", file="model.safetensors")``.
"""

from collections.abc import Sequence
from typing import Any

from timm.models import FeatureInfo, register_model
from torch import Tensor, nn

from ...search_space.errors import InputError
from ...search_space.network import Network
from .load import load_model


class FeatureNetwork(nn.Module):
    """The maps of some stages of a network, as timm's ``features_only`` models give them."""

    def __init__(self, network: Network, out_indices: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        stages = network.feature_info
        wanted = [index + len(stages) if index < 0 else index for index in out_indices]
        if not wanted or any(not 0 <= index < len(stages) for index in wanted):
            raise InputError(
                f"out_indices must be stages from 0 to {len(stages) - 1}, but got {out_indices}"
            )
        info: list[dict[str, Any]] = [
            {"num_chs": each.channels, "reduction": each.reduction, "module": each.module}
            for each in stages
        ]
        self.feature_info = FeatureInfo(info, tuple(wanted))

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Map images (B, C, H, W) to the maps that ``feature_info`` describes."""
        maps = self.network.forward_intermediates(x_BCHW)
        return [maps[index] for index in self.feature_info.out_indices]


@register_model
def nas_explorer(
    pretrained: bool = False,
    *,
    file: str,
    num_classes: int | None = None,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    pretrained_cfg: object = None,
    pretrained_cfg_overlay: object = None,
    cache_dir: object = None,
) -> nn.Module:
    """Return the network of a ``.safetensors`` file that ``nas export`` wrote.

    Args:
        pretrained: Makes no difference: the weights are the file's.
        file: The file.
        num_classes: Classes of a new head, where it is not the number that the file has.
        features_only: Return the maps of the stages instead of scores.
        out_indices: Stages whose maps to return; none: all.
        pretrained_cfg: Not used; timm gives it to every model.
        pretrained_cfg_overlay: Not used.
        cache_dir: Not used.

    Raises:
        InputError: If the file is not one of ours, or there is no such stage.
    """
    network = load_model(file)
    if features_only:
        stages = range(len(network.feature_info)) if out_indices is None else out_indices
        return FeatureNetwork(network, tuple(stages))
    if num_classes is not None and num_classes != network.num_classes:
        network.reset_classifier(num_classes)
    return network
