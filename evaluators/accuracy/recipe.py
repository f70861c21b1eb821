"""The recipe of a candidate's training."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...search_space.errors import InputError, unknown_name
from ...search_space.json_fields import JsonFields
from .option_table import OPTIONS, checked_options

AUGMENTATIONS = ("auto", "none", "shift", "shift+flip")


def _at_least(low: int) -> tuple[str, Callable[[Any], bool]]:
    return f"a whole number of at least {low}", lambda value: type(value) is int and value >= low


def _number(text: str, within: Callable[[float], bool]) -> tuple[str, Callable[[Any], bool]]:
    return (
        f"a number {text}",
        lambda value: type(value) in (int, float) and math.isfinite(value) and within(value),
    )


_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "epochs": _at_least(1),
    "batch_size": _at_least(2),
    "lr": _number("above 0", lambda value: value > 0),
    "weight_decay": _number("of at least 0", lambda value: value >= 0),
    "warmup": _number("from 0 to 1", lambda value: 0 <= value <= 1),
    "label_smoothing": _number("from 0 to 1", lambda value: 0 <= value <= 1),
    "clip": _number("above 0", lambda value: value > 0),
    "divergence_factor": _number("of at least 1", lambda value: value >= 1),
    "divergence_epochs": _at_least(1),
    "class_weights": ("true or false", lambda value: type(value) is bool),
    "init": ("a text of one line", lambda value: isinstance(value, str) and "\n" not in value),
    "rand_augment": (
        "a whole number from 0 to 30",
        lambda value: type(value) is int and 0 <= value <= 30,
    ),
    "mixup": _number("of at least 0", lambda value: value >= 0),
    "cutmix": _number("of at least 0", lambda value: value >= 0),
    "mixed": _number("from 0 to 1", lambda value: 0 <= value <= 1),
    "drop_path": _number("from 0 to below 1", lambda value: 0 <= value < 1),
    "average": _number("from 0 to 1", lambda value: 0 <= value <= 1),
    "patience": _at_least(0),
}
_ADDED = (
    "class_weights",
    "init",
    "rand_augment",
    "mixup",
    "cutmix",
    "mixed",
    "drop_path",
    "average",
    "patience",
    "options",
)
"""Fields that older records lack, where they have their default."""


@dataclass(frozen=True, kw_only=True)
class Recipe(JsonFields):
    """AdamW with a linear warm-up and a cosine decay to zero, updated at every step."""

    key = "recipe key"

    epochs: int = 12
    """Passes over the training split; at least 1."""
    batch_size: int = 128
    """Images per step, at least 2; the remainder of an epoch is spread over its steps."""
    lr: float = 4e-3
    """Highest learning rate; above 0."""
    weight_decay: float = 0.05
    """Decoupled weight decay of matrices and kernels (not of norms, biases and scales); 0 or
    more."""
    warmup: float = 0.1
    """Share of all steps during which the learning rate rises; 0 to 1."""
    label_smoothing: float = 0.1
    """Share of the target spread over all classes, in training only; 0 to 1."""
    augmentation: Literal["auto", "none", "shift", "shift+flip"] = "auto"
    """``auto`` depends on the data; ``shift`` is a random crop after padding."""
    clip: float = 1.0
    """Largest norm of the gradient over all parameters; above 0."""
    divergence_factor: float = 1.5
    """A run diverges when its training loss stays above this factor times ``log(classes)``, the
    loss of a uniform guess; at least 1."""
    divergence_epochs: int = 2
    """Consecutive diverging epochs, begun after the warm-up, that stop a run; at least 1."""
    class_weights: bool = False
    """Whether each class counts the same in the training loss, however many images it has: an
    image of a class with n of N training images, of K classes, weighs N / (K n)."""
    init: str = ""
    """Name and checksum of the weights that a training begins with; empty: none."""
    rand_augment: int = 0
    """Strength of random changes of training images besides ``augmentation``, 0 (none) to 30
    (Cubuk et al., RandAugment, 2020: two changes, here drawn for a sixteenth of a batch each)."""
    mixup: float = 0.0
    """Parameter of the Beta distribution of mixed pairs of images (Zhang et al., mixup, 2018); 0:
    none."""
    cutmix: float = 0.0
    """The same for pasted rectangles (Yun et al., CutMix, 2019); with both, each batch has one."""
    mixed: float = 0.5
    """Share of the batches that ``mixup`` and ``cutmix`` change; 0 to 1."""
    drop_path: float = 0.0
    """Probability that training skips the last residual branch; it rises from 0 at the first
    (Huang et al., Deep Networks with Stochastic Depth, 2016); 0 to below 1."""
    average: float = 0.0
    """Share of all steps over which an exponential mean of the weights, which is validated and
    kept, forgets; 0: the last weights are kept; at most 1."""
    patience: int = 0
    """Epochs without a better validation accuracy that end a training, whose best weights are then
    kept; 0: it goes on to the end, and the last weights are kept."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of the table of recipe options by name, each with its value: a number, True, or the
    name and checksum of a teacher."""

    def __post_init__(self) -> None:
        if self.augmentation not in AUGMENTATIONS:
            raise unknown_name("augmentation", self.augmentation, AUGMENTATIONS)
        for name, (text, holds) in _RULES.items():
            if not holds(getattr(self, name)):
                raise InputError(f"{name} must be {text}, but got {getattr(self, name)!r}")
        object.__setattr__(self, "options", checked_options(self.options))
        for each in (OPTIONS[name] for name in self.options):
            given = [name for name in each.without if getattr(self, name)]
            if given:
                raise InputError(
                    f"{each.name} must be without {given[0]}, but the recipe has {given[0]} "
                    f"{getattr(self, given[0]):g}"
                )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, without those of ``_ADDED`` that have their default.

        So the recipes of earlier studies stay equal, and so do the names made from them.
        """
        stored = super().to_json()
        plain = type(self)()
        kept = {name: getattr(plain, name) for name in _ADDED}
        return {
            name: value for name, value in stored.items() if name not in kept or value != kept[name]
        }


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of a step (from 0) of ``steps`` in all.

    It rises linearly to ``lr`` over the first ``warmup * steps`` steps, then follows half a cosine
    towards 0 (Loshchilov and Hutter, SGDR, 2017, equation 5 without restarts).
    """
    warm = warmup_steps(recipe, steps)
    if step < warm:
        return recipe.lr * (step + 1) / warm
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def warmup_steps(recipe: Recipe, steps: int) -> int:
    """Return the number of steps, of ``steps`` in all, during which the learning rate rises."""
    return round(recipe.warmup * steps)
