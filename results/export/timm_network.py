"""A network with the interface of timm's models.

Shape suffixes: B batch, C channels, H rows, W columns, F features, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from timm.layers import drop_path
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ...evaluators.accuracy.recipes.branches import drop_path_rates
from ...evaluators.accuracy.training.optimizer import split_parameters
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.parts import Part
from ...search_space.errors import InputError, shown

POOLS = ("avg", "")
"""Poolings from a map to features: the network's own, and none."""

Indices = int | Sequence[int] | None
"""Maps, counted from the largest: the last ``n``, those at the given indices (negative: from the
end), or all."""


class TimmNetwork(Network):
    """A network with the methods and options of timm's models, and the same weights.

    Only the last of several stages with one map size gives a feature: feature pyramids need each
    size once.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self._features = tuple({each.reduction: each for each in self._features}.values())
        self.in_chans = architecture.input.channels
        self.global_pool = "avg"
        self.drop_rate = 0.0
        self.drop_path_rates: Mapping[str, float] = {}
        self.grad_checkpointing = False
        self.pretrained_cfg: dict[str, Any] = {}
        self.default_cfg = self.pretrained_cfg
        linear = (each for each in self.get_classifier().modules() if isinstance(each, nn.Linear))
        self.head_hidden_size = next(linear).in_features

    @property
    def fixed_input_size(self) -> bool:
        """Whether the network accepts images of one size only."""
        return self.bound_by is not None

    @property
    def feature_info(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """timm's description of the last map of every size."""
        return [
            {"num_chs": each.channels, "reduction": each.reduction, "module": each.module}
            for each in self._features
        ]

    def set_drop_path(self, rate: float) -> None:
        """Drop residual branches at random in training, later ones more often.

        Huang et al., Deep Networks with Stochastic Depth, 2016: the rate rises from 0 in the first
        block to ``rate`` in the last.

        Raises:
            InputError: If the rate is not from 0 to below 1, or the network has no residual sum.
        """
        if not 0 <= rate < 1:
            raise InputError(f"drop_path_rate must be from 0 to below 1, but got {rate}")
        self.drop_path_rates = drop_path_rates(self._body, rate)
        if rate and not self.drop_path_rates:
            raise InputError(f"drop_path_rate must be 0 without residual sums, but got {rate}")

    def _output(self, part: Part, inputs: Sequence[Tensor]) -> Tensor:
        """Run one part. The second input of a residual sum is the branch."""
        rate = self.drop_path_rates.get(part.name, 0.0)
        if rate and self.training:
            stream, branch = inputs
            inputs = (stream, drop_path(branch, rate, self.training))
        if not self.grad_checkpointing or not self.training:
            return super()._output(part, inputs)
        module: Callable[..., Tensor] = self.get_submodule(part.name)
        return checkpoint(module, *inputs, use_reentrant=False)  # type: ignore[no-any-return]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the insides of the parts in the backward pass, to save memory
        (checkpointing)."""
        self.grad_checkpointing = enable

    def forward_intermediates(  # type: ignore[override]
        self,
        x: Tensor,
        indices: Indices = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the last map and selected maps of ``feature_info``, or only the selected ones.

        Args:
            x: Images (B, C, H, W).
            indices: The selected maps.
            norm: Ignored: there is no norm between the stages and the head.
            stop_early: Whether to stop after the last selected map, which is then the last map.
            output_fmt: ``NCHW``.
            intermediates_only: Whether to return only the selected maps.
        """
        if output_fmt != "NCHW":
            raise InputError(f"output_fmt must be 'NCHW', but got {output_fmt!r}")
        chosen = self._chosen(indices)
        wanted = [self._features[each].module for each in chosen]
        if intermediates_only:
            return self._run(x, wanted)
        end = self._features[max(chosen)].module if stop_early else self._head.inputs[0]
        *maps, last = self._run(x, [*wanted, end])
        return last, maps

    def _chosen(self, indices: Indices, what: str = "indices") -> list[int]:
        """Return the indices of the selected maps.

        Raises:
            InputError: If a map does not exist, or none is selected.
        """
        count = len(self._features)
        last = count if indices is None else indices
        if isinstance(last, int):
            found = list(range(count - last, count))
        else:
            found = [index + count if index < 0 else index for index in last]
        if not found or not all(0 <= index < count for index in found):
            reductions = ", ".join(str(each.reduction) for each in self._features)
            raise InputError(
                f"{what} must be from 0 to {count - 1}, as this network has {count} maps, of "
                f"reduction {reductions}, but got {shown(indices)}; "
                f"{usual_depth(self._features[-1].reduction)}"
            )
        return found

    def forward_head(self, x_BCHW: Tensor, pre_logits: bool = False) -> Tensor:
        """Map the last feature map to scores (B, K), or to the classifier's input (B, F).

        Without pooling the result is the features of every position (B, F, H, W).
        """
        head = self.head_module
        if not self.global_pool:
            return head.unpooled(x_BCHW)
        features_BF = F.dropout(head.pooled(x_BCHW), self.drop_rate, self.training)
        return features_BF if pre_logits else head.classifier(features_BF)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one; remove it if ``num_classes`` is 0.

        Raises:
            InputError: If ``global_pool`` is unknown, or there are classes but no pooling.
        """
        pool = self.global_pool if global_pool is None else global_pool
        if pool not in POOLS:
            raise InputError(
                f"global_pool must be 'avg', as the network was trained, or '' for maps, but got "
                f"{shown(pool)}"
            )
        if num_classes and not pool:
            raise InputError(f"num_classes must be 0 with global_pool '', but got {num_classes}")
        self.global_pool = pool
        if num_classes:
            super().reset_classifier(num_classes)
        else:
            self.head_module.classifier = nn.Identity()
            self.num_classes = 0

    def no_weight_decay(self) -> set[str]:
        """Return the parameters without weight decay, as in the search's training."""
        # Only the parts: there "no_weight_decay" is a list of names, not a method.
        vectors = {id(each) for each in split_parameters(nn.ModuleList(self.children()))[1]}
        return {name for name, each in self.named_parameters() if id(each) in vectors}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return the patterns that group parameters by depth in timm: by stage or by block."""
        blocks = [
            (r"^stages\.(\d+)\.(?:downsampling|guide|join)", (0,)),
            (r"^stages\.(\d+)\.blocks\.(\d+)", None),
        ]
        return {"stem": r"^stem", "blocks": r"^stages\.(\d+)" if coarse else blocks}


class FeatureNetwork(TimmNetwork):
    """Selected maps of a network, as in timm's ``features_only`` models.

    Parts that these maps do not need are left out, and so are their weights on loading.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self._taken = tuple(range(len(self._features)))
        self._left_out: tuple[str, ...] = ()

    @property
    def feature_info(self) -> FeatureInfo:  # type: ignore[override]
        """timm's description of the maps."""
        return FeatureInfo(super().feature_info, self._taken)

    def take(self, out_indices: Indices) -> None:
        """Keep only the parts that the selected maps need.

        Raises:
            InputError: If a map does not exist.
        """
        if not self._features:
            raise InputError("features_only requires a layer after the stem, but there is none")
        self._taken = tuple(self._chosen(out_indices, "out_indices"))
        needed = {self._features[index].module for index in self._taken}
        for part in reversed(self._body):
            if part.name in needed:
                needed.update(part.inputs)
        unneeded = [part.name for part in (*self._body, self._head) if part.name not in needed]
        self._left_out = tuple(f"{name}." for name in unneeded)
        for name in unneeded:
            place, _, leaf = name.rpartition(".")
            delattr(self.get_submodule(place), leaf)
        self._keep([part for part in self._body if part.name in needed])

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:  # type: ignore[override]
        """Map images (B, C, H, W) to the maps that ``feature_info`` describes."""
        return self._run(x_BCHW, [self._features[index].module for index in self._taken])

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights of the whole network, or of this model."""
        kept = {
            name: each for name, each in state_dict.items() if not name.startswith(self._left_out)
        }
        return super().load_state_dict(kept, strict, assign)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Do nothing, since there is no classifier.

        Raises:
            InputError: If ``num_classes`` is not 0.
        """
        if num_classes:
            raise InputError(f"num_classes must be 0 with features_only, but got {num_classes}")


def usual_depth(reduction: int) -> str:
    """Return a hint: the ``encoder_depth`` of segmentation_models_pytorch for a reduction."""
    return f"for segmentation_models_pytorch, encoder_depth={max(1, reduction.bit_length() - 1)}"
