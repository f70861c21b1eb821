"""The torch module of an architecture, with the interface that frameworks expect of a backbone.

Shape suffixes: B batch, C channels, H rows, W columns, F features, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..components.base import TokenMixer, bound_inside
from ..components.heads import Classifier
from ..components.layers.folding import fold
from ..components.parts import IMAGE, Part, lenders
from ..components.sharing import with_shared
from ..components.tying import Tied
from ..errors import InputError
from .value import ArchitectureValue


@dataclass(frozen=True, kw_only=True)
class FeatureInfo:
    """One map that a backbone can hand to a detection or segmentation head."""

    channels: int
    """Number of channels."""
    reduction: int
    """Side of the image divided by the side of the map, rounded."""
    module: str
    """Name of the part that computes the map."""


class Group(nn.Module):
    """A named container of modules, without a forward method."""


def _put(root: nn.Module, path: str, module: nn.Module) -> None:
    """Register ``module`` under a dotted path; create the groups in between."""
    *groups, leaf = path.split(".")
    for name in groups:
        if name not in dict(root.named_children()):
            root.add_module(name, Group())
        root = root.get_submodule(name)
    root.add_module(leaf, module)


class Network(nn.Module):
    """The module of an architecture.

    The parts run in their order. Each part initialises its own weights, from torch's global
    generator.
    """

    def __init__(self, architecture: ArchitectureValue) -> None:
        super().__init__()
        self.architecture = architecture.canonical
        parts = architecture.parts()
        for part in parts:
            _put(self, part.name, part.build())
        self._head = parts[-1]
        self._keep(parts[:-1])
        self._tie()
        self._features = _stage_ends(self._body, architecture.input.height)
        self.bound_by = _bound_component(self._body)
        """Name of a component that takes maps of one size only, or None."""
        self.num_classes = architecture.classes
        self.num_features = self._head.in_shapes[0].channels

    def _keep(self, body: Sequence[Part]) -> None:
        """Let only these parts run before the head."""
        self._body = body
        self._frees = _last_uses(body)

    def _tie(self) -> None:
        """Replace the shared parameters of tied parts by those of their lenders."""
        lent = lenders(self._body)
        for part in self._body:
            if isinstance(part.component, Tied):
                lender = self.get_submodule(lent[part.name])
                part.component.tie(self.get_submodule(part.name), lender)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert the tensors, then tie them again: torch may make new parameters."""
        super()._apply(fn, recurse)
        self._tie()
        return self

    @property
    def feature_info(self) -> tuple[FeatureInfo, ...]:
        """The last map of every stage, from the largest."""
        return self._features

    @property
    def reduction(self) -> int:
        """Side of the image divided by the side of the last map, rounded."""
        return round(self.architecture.input.height / self._head.in_shapes[0].height)

    def _run(self, x_BCHW: Tensor, wanted: Sequence[str]) -> list[Tensor]:
        """Run the body and return the outputs of the parts named in ``wanted``."""
        self._check_size(x_BCHW)
        live = {IMAGE: x_BCHW}
        kept: dict[str, Tensor] = {}
        for part, frees in zip(self._body, self._frees, strict=True):
            output = self._output(part, [live[name] for name in part.inputs])
            for name in frees:
                del live[name]
            live[part.name] = output
            if part.name in wanted:
                kept[part.name] = output
                if len(kept) == len({*wanted}):
                    break
        return [kept[name] for name in wanted]

    def _output(self, part: Part, inputs: Sequence[Tensor]) -> Tensor:
        """Run one part."""
        return self.get_submodule(part.name)(*inputs)

    def _check_size(self, x_BCHW: Tensor) -> None:
        """Raise ``ValueError`` for images of another size where the weights need one size."""
        if self.bound_by is None or torch.jit.is_tracing():
            return
        _, height, width = self.architecture.input
        given = tuple(x_BCHW.shape[2:])
        if given != (height, width):
            raise InputError(
                f"images must be {height}x{width}, since the weights of {self.bound_by} depend on "
                f"the size, but got {'x'.join(map(str, given))}"
            )

    def forward_features(self, x_BCHW: Tensor) -> Tensor:
        """Map images (B, C, H, W) to the last feature map."""
        return self._run(x_BCHW, self._head.inputs)[0]

    def forward_intermediates(self, x_BCHW: Tensor) -> list[Tensor]:
        """Map images (B, C, H, W) to the maps that ``feature_info`` describes."""
        return self._run(x_BCHW, [each.module for each in self._features])

    def forward_head(self, x_BCHW: Tensor, pre_logits: bool = False) -> Tensor:
        """Map the last feature map to scores (B, K), or to the classifier's input (B, F)."""
        return self.head_module.pooled(x_BCHW) if pre_logits else self.head_module(x_BCHW)

    @property
    def head_module(self) -> Classifier:
        """The module of the head."""
        module = self.get_submodule(self._head.name)
        assert isinstance(module, Classifier)
        return module

    def get_classifier(self) -> nn.Module:
        """Return the module that maps pooled features (B, F) to scores (B, K)."""
        return self.head_module.classifier

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map images (B, C, H, W) to scores (B, K)."""
        return self.forward_head(self.forward_features(x_BCHW))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights; a tensor that several modules share may be given under one name alone."""
        found = super().load_state_dict(with_shared(state_dict, self), strict, assign)
        self._tie()
        return found

    def folded(self) -> "Network":
        """Return a folded copy for inference: the same scores in eval mode, not to be trained."""
        network = fold(self)
        assert isinstance(network, Network)
        return network

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the classifier by a new one for ``num_classes`` classes, at least 1.

        The new classifier keeps the old one's device and precision; the rest of the head stays.
        """
        old = next(self.parameters())
        self.architecture = replace(self.architecture, classes=num_classes)
        self._head = self.architecture.parts()[-1]
        self.num_classes = num_classes
        head = self._head.build()
        assert isinstance(head, Classifier)
        self.head_module.classifier = head.classifier.to(old).train(self.training)


def _bound_component(parts: Sequence[Part]) -> str | None:
    """Return the name of a component that takes maps of one size only, or None."""
    for part in parts:
        bound = bound_inside(part.component)
        if bound and not (isinstance(bound, TokenMixer) and bound.traits.resizes):
            return bound.name
    return None


def _last_uses(parts: Sequence[Part]) -> list[list[str]]:
    """Return for each part the names of the tensors that no later part needs."""
    last = {name: index for index, part in enumerate(parts) for name in part.inputs}
    return [[name for name, at in last.items() if at == index] for index in range(len(parts))]


def _stage_ends(parts: Sequence[Part], side: int) -> tuple[FeatureInfo, ...]:
    """Return the last map of every stage, for images of ``side`` rows."""
    ends: dict[str, Part] = {}
    for part in parts:
        if part.name.startswith("stages."):
            ends[part.name.split(".")[1]] = part
    return tuple(
        FeatureInfo(
            channels=part.out_shape.channels,
            reduction=round(side / part.out_shape.height),
            module=part.name,
        )
        for part in ends.values()
    )
