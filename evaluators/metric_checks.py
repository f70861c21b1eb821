"""Checks of the metrics that a plug-in registers."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from ..search_space.errors import InputError, shown, unknown_name
from ..search_space.plugin_checks import NAME
from .metrics import TIERS, Direction, Metric

_COLUMNS = (
    "architecture",
    "digest",
    "number",
    "order",
    "reason",
    "seconds",
    "status",
    "study",
    *("head", "stages", "stem"),  # decisions
)
"""Names of other columns in tables of candidates."""

_INTERVAL = ("_low", "_high")
_FLOPS = "flops"


def check_evaluator(cls: type[Any]) -> None:
    """Check what a class of evaluators states: its name, its metrics, its settings.

    Raises:
        InputError: If something is missing or has the wrong form.
    """
    found = getattr(cls, "metrics", ())
    if not getattr(cls, "name", "") or not found:
        raise InputError(
            f"an evaluator must state name and metrics, each with a unit, but {cls.__qualname__} "
            f"states {shown((getattr(cls, 'name', ''), found))}"
        )
    if not isinstance(found, tuple) or not all(isinstance(each, Metric) for each in found):
        raise InputError(
            f"the metrics of an evaluator must be a tuple of Metric, as in (ENERGY,), but those "
            f"of {cls.__qualname__} are {shown(found)}"
        )
    for each in found:
        _check_metric(each)
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InputError(f"the metrics of an evaluator must have different names, but got {names}")
    if len({each.tier for each in found}) > 1:
        tiers = {each.name: each.tier for each in found}
        raise InputError(f"metrics of one evaluator must be of one tier, but got {tiers}")
    _check_settings(cls)


def _check_metric(metric: Metric) -> None:
    _check_name(metric.name)
    what = f"of metric {metric.name!r}"
    _check_word(f"direction {what}", metric.direction, get_args(Direction))
    _check_word(f"tier {what}", metric.tier, TIERS)
    for field in ("unit", "summary"):
        text = getattr(metric, field)
        if not isinstance(text, str) or not text.strip() or not text.isprintable():
            raise InputError(f"the {field} {what} must be a text of one line, but got {text!r}")
    if metric.share not in (True, False) or (metric.share and metric.unit != "1"):
        raise InputError(
            f"a share must have the unit '1' (it is a number from 0 to 1), but metric "
            f"{metric.name!r} has share={metric.share!r} and unit {metric.unit!r}"
        )
    if metric.score not in (True, False):
        raise InputError(f"score {what} must be True or False, but got {metric.score!r}")
    for field in ("unit_names", "conditions"):
        texts = getattr(metric, field)
        if not isinstance(texts, tuple) or not all(isinstance(each, str) for each in texts):
            raise InputError(f"{field} {what} must be a tuple of texts, but got {shown(texts)}")


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise InputError(
            f"a metric's name must be small letters, digits and _, but got {shown(name)}"
        )
    if name in _COLUMNS or name.endswith(_INTERVAL):
        raise InputError(
            f"a metric's name must differ from the other columns of tables, which are "
            f"{', '.join(_COLUMNS)} and those that end in {' or '.join(_INTERVAL)}, but got "
            f"{name!r}"
        )
    if name == _FLOPS:
        raise InputError(f"a metric's name must not be {_FLOPS!r}, which is another name of macs")


def _check_word(what: str, given: object, known: Iterable[str]) -> None:
    names = tuple(known)
    if given not in names:
        raise unknown_name(what, given, names)


def _check_settings(cls: type[Any]) -> None:
    always = getattr(cls, "always", False)  # diagnostics have none
    if not isinstance(always, bool):
        raise InputError(f"always must be True or False, but got {always!r}")
    defaults = cls.defaults
    try:
        stored = json.loads(json.dumps(defaults, allow_nan=False))
    except (TypeError, ValueError):
        stored = None
    if not isinstance(defaults, Mapping) or stored != defaults:
        raise InputError(
            f"defaults of an evaluator must be a dictionary of JSON values, but those of "
            f"{cls.__qualname__} are {shown(defaults)}"
        )
