"""The division of a data set into splits, as files of weights state it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...evaluators.accuracy.data.dataset import DataSpec
from ..export.header import read_facts
from ..export.weights import read_weights

_KEYS = ("seed", "validation")


def division(spec: DataSpec) -> dict[str, Any]:
    """Return what decides which images are in which split, as JSON values."""
    return {key: getattr(spec, key) for key in _KEYS}


def stated_division(init: str) -> dict[str, Any]:
    """Return the division that the training of a file of ours used; empty if none is stated.

    Args:
        init: The option ``init``; only a ``.safetensors`` file states a division.

    Raises:
        InputError: If the file does not exist or cannot be read.
    """
    if init.partition(":")[0] == "timm" or not init.endswith(".safetensors"):
        return {}
    facts = read_facts(read_weights(Path(init))[1])
    for name in ("division", "data"):  # of a full training, and of a candidate
        stated = facts.get(name)
        if isinstance(stated, Mapping) and all(key in stated for key in _KEYS):
            return {key: stated[key] for key in _KEYS}
    return {}
