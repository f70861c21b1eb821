"""The metrics by which candidates are compared: name, unit, direction, tier."""

import importlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

from ..search_space.errors import InputError, unknown_name
from .targets import Target

Direction = Literal["minimize", "maximize"]
Tier = Literal["exact", "measured", "trained"]
TIERS: tuple[Tier, ...] = ("exact", "measured", "trained")
"""The tiers, cheapest first: a candidate is measured in this order."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A quantity by which candidates are compared."""

    name: str
    """Name on the command line, in tables and in records."""
    unit: str
    """Unit of the value; ``"1"`` for a share, a score or a plain count."""
    direction: Direction
    """Whether smaller (``minimize``) or larger (``maximize``) values are better."""
    tier: Tier
    """How the value is obtained: computed exactly, measured on hardware, or by training."""
    summary: str
    """Meaning of the metric, one line."""
    share: bool = False
    """Whether the metric is a share from 0 to 1, which is shown in percent."""
    unit_names: tuple[str, ...] = ()
    """Other spellings of the unit that are accepted after a bound."""
    conditions: tuple[str, ...] = ()
    """Keys of the provenance that must be equal for two values to be comparable."""
    on_request: bool = False
    """Whether a search measures the metric only where it is an objective or bounded."""
    targets: tuple[Target, ...] = ()
    """Kinds of target for which the metric is defined; empty: any."""
    score: bool = False
    """Whether the metric is a training-free score. A score never decides which candidate is better
    unless that is asked for, and a network for which it is not defined does not fail."""

    @property
    def sign(self) -> float:
        """The factor that makes values losses: 1 to minimise, -1 to maximise."""
        return 1.0 if self.direction == "minimize" else -1.0

    def to_json(self) -> dict[str, Any]:
        """Return the metric as JSON values, which ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Metric":
        """Read the JSON values of ``to_json``."""
        lists: dict[str, Any] = {
            key: tuple(data.get(key, ())) for key in ("unit_names", "conditions", "targets")
        }
        return cls(**{**data, **lists})


ACCURACY = Metric(
    name="accuracy",
    unit="1",
    direction="maximize",
    tier="trained",
    summary="top-1 accuracy on the validation split after the short schedule",
    share=True,
    conditions=("device", "dtype", "torch"),
    targets=("classes",),
)
_trained = partial(
    Metric,
    unit="1",
    direction="maximize",
    tier="trained",
    conditions=ACCURACY.conditions,
)
R2 = _trained(
    name="r2",
    summary="share of the variance of the numbers that is explained, mean over the numbers; 0 for "
    "their mean, 1 for no error",
    targets=("regression",),
)
MEAN_AVERAGE_PRECISION = _trained(
    name="mean_average_precision",
    summary="mean over the labels of the average precision of the order by their scores",
    share=True,
    targets=("labels",),
)
MAIN_METRICS: Mapping[Target, Metric] = {
    "classes": ACCURACY,
    "regression": R2,
    "labels": MEAN_AVERAGE_PRECISION,
}
"""The metric that every short training measures, by the data's kind of target. A search optimises
it unless other objectives are named."""
_class_metric = partial(_trained, on_request=True, targets=("classes",))
_number_metric = partial(_trained, direction="minimize", on_request=True, targets=("regression",))
_label_metric = partial(_trained, on_request=True, share=True, targets=("labels",))
CLASS_METRICS = (
    _class_metric(
        name="top5",
        summary="share of validation images whose class is among the five with the highest scores",
        share=True,
    ),
    _class_metric(
        name="balanced_accuracy",
        summary="mean over the classes of the share of images classified correctly",
        share=True,
    ),
    _class_metric(
        name="macro_f1",
        summary="mean over the classes, or labels, of F1, the harmonic mean of precision and "
        "recall",
        share=True,
        targets=("classes", "labels"),
    ),
    _class_metric(
        name="min_recall",
        summary="share of images classified correctly in the class with the smallest such share",
        share=True,
    ),
    _class_metric(
        name="auroc",
        summary="probability that an image of the second of two classes scores above one of the "
        "first; mean over labels of the same for images with and without it",
        share=True,
        targets=("classes", "labels"),
    ),
    _class_metric(
        name="loss",
        unit="nat",
        direction="minimize",
        summary="mean cross-entropy on the validation split; of labels, binary and per label",
        targets=("classes", "labels"),
    ),
    _class_metric(
        name="calibration_error",
        direction="minimize",
        summary="expected difference between confidence and accuracy, in 15 bins of confidence",
        share=True,
    ),
)
"""The metrics of a classifier besides the accuracy, by their order in tables; some are defined for
labels too."""
OUTPUT_METRICS = (
    _number_metric(
        name="rmse",
        summary="root of the mean squared error, in the unit of the numbers, mean over the numbers",
    ),
    _number_metric(
        name="mae", summary="mean absolute error, in the unit of the numbers, mean over the numbers"
    ),
    _label_metric(
        name="micro_f1",
        summary="F1 over all labels of all images together, a score above one half counts as yes",
    ),
    _label_metric(name="subset_accuracy", summary="share of images of which every label is right"),
)
"""The metrics of numbers and labels besides the main ones, by their order in tables."""
ACCURACY_INT8 = replace(
    ACCURACY,
    name="accuracy@int8",
    summary="top-1 accuracy on the validation split, quantised to int8 after the short training",
    conditions=(*ACCURACY.conditions, "quantiser", "calibration_images"),
    on_request=True,
)
TRAINED = (*MAIN_METRICS.values(), *CLASS_METRICS, *OUTPUT_METRICS)
"""The metrics of the outputs of a network."""
SHORT_TRAINING = (*TRAINED, ACCURACY_INT8)
"""The metrics of the short training: those of the outputs, and of the trained network in int8."""
_exact = partial(Metric, direction="minimize", tier="exact")
COSTS = (
    _exact(name="macs", unit="MAC", summary="multiply-adds of one forward pass for one image"),
    _exact(name="params", unit="1", summary="trainable parameters", unit_names=("parameters",)),
    _exact(
        name="activations",
        unit="1",
        summary="elements of the outputs of convolutions and matrix products, one image",
    ),
    _exact(
        name="param_bytes",
        unit="B",
        summary="bytes of the parameters and saved buffers in float32",
    ),
    _exact(
        name="peak_memory",
        unit="B",
        summary="most bytes of maps alive at one time in a run of one image, float32",
    ),
)
PARAM_BYTES_INT8 = _exact(
    name="param_bytes@int8",
    unit="B",
    summary="bytes of the parameters and saved buffers with int8 weights of dense layers",
)
LATENCY = Metric(
    name="latency",
    unit="ms",
    direction="minimize",
    tier="measured",
    summary="median time of one forward pass of one batch on the device",
    conditions=(
        "device_name",
        "device",
        "driver",
        "cuda",
        "cudnn",
        "torch",
        "batch",
        "dtype",
        "threads",
        "runtime",
        "runtime_version",
        "layout",
        "layout_by",
    ),
)

METRICS: dict[str, Metric] = {
    each.name: each for each in (*SHORT_TRAINING, *COSTS, PARAM_BYTES_INT8, LATENCY)
}
"""The metrics that some evaluator measures, by name; ``register`` adds to them."""

_FIDELITY = re.compile(r"(.+)@(\d+)epochs?")


def long_name(name: str) -> str:
    """Return the name of a main metric after the long training of nas refine."""
    return f"{name}_long"


def predicted_name(name: str) -> str:
    """Return the name of the prediction of a main metric after a long training."""
    return f"{name}_predicted"


def _of_refine(main: Metric) -> tuple[Metric, Metric]:
    text = "top-1 accuracy" if main is ACCURACY else main.name
    return (
        replace(
            main,
            name=long_name(main.name),
            summary=f"{text} on the validation split after the long training of nas refine",
        ),
        replace(
            main,
            name=predicted_name(main.name),
            summary=f"prediction of {long_name(main.name)} from the short training and the costs",
            conditions=(),
        ),
    )


LATENCY_PREDICTED = replace(
    LATENCY,
    name="latency_predicted",
    summary="prediction of latency from other candidates' parts, with a 90 % interval",
)

OF_REFINE = tuple(each for main in MAIN_METRICS.values() for each in _of_refine(main))
"""The metrics that nas refine adds to the records of a finished search."""
_RECORDED: dict[str, Metric] = {each.name: each for each in (*OF_REFINE, LATENCY_PREDICTED)}
"""Metrics that no evaluator of a search measures: those that are added to records later, and those
of plug-ins that are not loaded."""


def is_known(name: str) -> bool:
    """Whether a metric is known, from an evaluator or a record."""
    return _find(name) is not None


def fidelity(name: str, epochs: int) -> str:
    """Return the name of a trained metric after part of the training: ``accuracy@4epochs``.

    It is a metric of its own, so that values of different fidelity are never compared.
    """
    return f"{name}@{epochs}epochs"


def split_fidelity(name: str) -> tuple[str, int | None]:
    """Return the metric that a name of ``fidelity`` stands for and its epochs, or None if full."""
    match = _FIDELITY.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


def recipe_name(name: str, options: str) -> str:
    """Return the name of a main metric after a short training with recipe options.

    It is a metric of its own, since candidates of different recipes are not compared.
    """
    return f"{name}+{options}"


def split_recipe(name: str) -> tuple[str, str | None]:
    """Return the main metric and the options of a name of ``recipe_name``; None for others."""
    base, plus, options = name.partition("+")
    of_recipe = plus and any(base == each.name for each in MAIN_METRICS.values())
    return (base, options) if of_recipe else (name, None)


def score_with_recipe(name: str) -> Metric | None:
    """Return the metric of a name of ``recipe_name``, with any options; None for other names."""
    base, options = split_recipe(name)
    if options is None:
        return None
    text = f"{base} after a short training with the recipe options {options}"
    return replace(METRICS[base], name=name, summary=text, score=True)


def _why_no_options(options: str) -> InputError | None:
    """Return the error of recipe options; their table is imported only for a name that has some."""
    table = importlib.import_module(".accuracy.option_table", __package__)
    try:
        table.read_options(options)
    except InputError as error:
        return error
    return None


def _find(name: str) -> Metric | None:
    found = METRICS.get(name) or _RECORDED.get(name)
    if found is not None:
        return found
    options = split_recipe(name)[1]
    if options is not None:
        return None if _why_no_options(options) else score_with_recipe(name)
    base, epochs = split_fidelity(name)
    full = None if epochs is None else METRICS.get(base) or _RECORDED.get(base)
    if full is None:
        return None
    return replace(full, name=name, summary=f"{base} after {epochs} epochs of the training")


def metric(name: str) -> Metric:
    """Return the metric with a name.

    Raises:
        InputError: If the name is unknown; the message lists the known metrics.
    """
    found = _find(name)
    if found is None:
        options = split_recipe(name)[1]
        if options is not None:
            raise InputError(
                f"the + of a metric must be followed by recipe options, but got {name!r}: "
                f"{_why_no_options(options)}"
            )
        raise unknown_name("metric", name, {**METRICS, **_RECORDED})
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Return metrics in the order of the table; those known only from records come last."""
    given = dict.fromkeys(names)
    return [*(name for name in METRICS if name in given), *(n for n in given if n not in METRICS)]


def describe_recorded(described: Metric) -> None:
    """Register a metric from a record, so that its values are shown without its plug-in."""
    provided = METRICS.get(described.name)
    if provided is None:
        _RECORDED[described.name] = described
    elif (provided.unit, provided.direction) != (described.unit, described.direction):
        _log.warning(
            "%s was recorded in %s to %s, but is now in %s to %s",
            described.name,
            *(described.unit, described.direction, provided.unit, provided.direction),
        )
