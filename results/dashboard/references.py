"""Published networks shown beside the candidates: the zoo, and timm's tables of results."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...search_space.errors import InputError
from ...search_space.zoo import ZOO, zoo_entry

ZOO_SOURCE = "zoo, as printed"
TIMM_SOURCE = "timm, ImageNet"

# From a column of timm to our metric and the factor between the units.
_COLUMNS = {
    "top1": ("accuracy", 0.01),
    "param_count": ("params", 1e6),
    "infer_gmacs": ("macs", 1e9),
    "infer_macts": ("activations", 1e6),
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A published network with its known metrics."""

    name: str
    """Name in its source."""
    source: str
    """Source of the figures."""
    note: str
    """Data and image size of the figures."""
    values: Mapping[str, float]
    """Values by metric."""


def zoo_references() -> list[Reference]:
    """Return the published networks of the zoo, with their printed figures."""
    found: list[Reference] = []
    for name in ZOO:
        entry = zoo_entry(name)
        printed = {"params": entry.printed_params, "macs": entry.printed_macs}
        found.append(
            Reference(
                name=name,
                source=ZOO_SOURCE,
                note=f"{entry.resolution} pixels",
                values={metric: float(value) for metric, value in printed.items() if value},
            )
        )
    return found


def read_timm(paths: Sequence[Path]) -> list[Reference]:
    """Read tables of timm's ``results`` folder, joined by the network and its image size.

    Accuracies are in ``results-imagenet.csv``, multiply-adds and activations in the
    ``benchmark-infer-*.csv`` files. Latencies are left out, since they are from other devices.

    Raises:
        InputError: If a file cannot be read or has none of these columns.
    """
    published: dict[tuple[str, str], dict[str, float]] = {}
    for row in (row for path in paths for row in _rows(path)):
        key = (row["model"], row.get("img_size") or row.get("infer_img_size") or "unknown")
        values = published.setdefault(key, {})
        for column, (name, factor) in _COLUMNS.items():
            if text := row.get(column):
                values.setdefault(name, float(text.replace(",", "")) * factor)
    for (model, size), values in list(published.items()):
        network = (model.partition(".")[0], size)  # costs depend on the network, not on its weights
        if network[0] != model:
            values.update({k: v for k, v in published.get(network, {}).items() if k not in values})
    return [
        Reference(name=model, source=TIMM_SOURCE, note=f"{size} pixels", values=values)
        for (model, size), values in published.items()
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    rule = "a table of timm's results must have a column model"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or "model" not in rows[0] or not _COLUMNS.keys() & rows[0].keys():
            raise InputError(f"{rule} and one of {', '.join(_COLUMNS)}, but got {path}")
        for row in rows:
            for column in _COLUMNS.keys() & row.keys():
                float((row[column] or "0").replace(",", ""))
    except OSError as error:
        raise InputError(f"{rule}, but got {path}: {error.strerror}") from None
    except (ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{rule} and numbers, but got {path}: {error}") from None
    return rows
