"""The metrics by which candidates are compared: name, unit, direction, tier."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..search_space.errors import unknown_name

Direction = Literal["minimize", "maximize"]
Tier = Literal["exact", "measured", "trained"]
TIERS: tuple[Tier, ...] = ("exact", "measured", "trained")
"""The cheapest first: the order in which a candidate is measured."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One quantity by which candidates are compared."""

    name: str
    """The name used on the command line, in tables and in the record."""
    unit: str
    """Unit of the value; ``"1"`` for a share, a score or a plain count."""
    direction: Direction
    """Whether less or more is better."""
    tier: Tier
    """How it is had: computed exactly, measured on hardware, or by training."""
    summary: str
    """What it means, one line."""
    share: bool = False
    """Whether it is a share from 0 to 1, which is shown in percent."""
    unit_names: tuple[str, ...] = ()
    """Further words for the unit that may stand behind a bound."""
    conditions: tuple[str, ...] = ()
    """What of its provenance two values must have in common to be compared."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values only; ``from_json`` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Metric":
        """Read what ``to_json`` wrote."""
        lists: dict[str, Any] = {
            key: tuple(data.get(key, ())) for key in ("unit_names", "conditions")
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
)
COSTS = (
    Metric(
        name="macs",
        unit="MAC",
        direction="minimize",
        tier="exact",
        summary="multiply-adds of one forward pass for one image",
    ),
    Metric(
        name="params",
        unit="1",
        direction="minimize",
        tier="exact",
        summary="trainable parameters",
        unit_names=("parameters",),
    ),
    Metric(
        name="activations",
        unit="1",
        direction="minimize",
        tier="exact",
        summary="elements of the outputs of convolutions and matrix products, one image",
    ),
    Metric(
        name="param_bytes",
        unit="B",
        direction="minimize",
        tier="exact",
        summary="bytes of the parameters and saved buffers in float32",
    ),
    Metric(
        name="peak_memory",
        unit="B",
        direction="minimize",
        tier="exact",
        summary="most bytes of maps alive at one time in a run of one image, float32",
    ),
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
        "layout",
    ),
)

METRICS: dict[str, Metric] = {each.name: each for each in (ACCURACY, *COSTS, LATENCY)}
"""The metrics that are provided here and now, by name; ``register`` adds to them."""

_RECORDED: dict[str, Metric] = {}
"""Metrics of records alone: of plug-ins that are not loaded."""


def is_known(name: str) -> bool:
    """Whether a metric is provided here, or described by a record."""
    return name in METRICS or name in _RECORDED


def metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        InputError: If there is none; the message lists the known ones.
    """
    found = METRICS.get(name) or _RECORDED.get(name)
    if found is None:
        raise unknown_name("metric", name, {**METRICS, **_RECORDED})
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Return metrics in the order of the table, those of records alone behind."""
    given = dict.fromkeys(names)
    return [*(name for name in METRICS if name in given), *(n for n in given if n not in METRICS)]


def describe_recorded(described: Metric) -> None:
    """Make a record's own metric known, so that its values are shown without its plug-in."""
    provided = METRICS.get(described.name)
    if provided is None:
        _RECORDED[described.name] = described
    elif (provided.unit, provided.direction) != (described.unit, described.direction):
        _log.warning(
            "%s was recorded in %s to %s, but is now in %s to %s",
            described.name,
            *(described.unit, described.direction, provided.unit, provided.direction),
        )
