"""The proof on image files: their preparation gives the pixels and scores of the search."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...evaluators.accuracy.data.opening import opened_image
from ...evaluators.accuracy.data.pixels import plain
from ...evaluators.accuracy.data.preparation import Preparation
from ...evaluators.accuracy.target_metrics import main_score
from ...evaluators.metrics import MAIN_METRICS
from .base import ExportError

Prepare = Callable[[Sequence[Any]], Tensor]
"""Function from paths and Pillow images to a network's input."""

_STEP = 1.01
"""Largest difference of a pixel on the scale of 255: one level, plus rounding of float32."""
_SHARE = 1000
"""One in so many correct predictions may differ, and at least one."""
_SCORE = 0.01
"""Largest difference of another main score than the accuracy."""
_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Originals:
    """Original images of the data, with the pixels that the search used."""

    given: Sequence[Any]
    """Paths or Pillow images."""
    levels: Tensor
    """Pixels used by the search (N, C, S, S), uint8."""
    labels: Tensor
    """Targets of the images: classes (N,), int64, or numbers or labels (N, K)."""
    preparation: Preparation
    """Preparation from the originals to the pixels."""
    same_rules: bool = True
    """Whether the search used this preparation, not that of an earlier version."""


@dataclass(frozen=True, kw_only=True)
class FileProof:
    """Scores of a model file on image files."""

    images: int
    """Number of images."""
    seen: float
    """Main score on the pixels used by the search: for classes the accuracy, 0 to 1."""
    prepared: float
    """Main score through ``prepare``: that of the ``.py`` file, else this package's."""
    timm: float | None
    """Main score through timm's transform; None if timm is not installed."""
    difference: float
    """Largest difference of a pixel from those of the search, in levels of 255."""
    metric: str = "accuracy"
    """Name of the main score."""


def prove_files(
    run: Callable[[Tensor], Tensor], originals: Originals, prepare: Prepare | None
) -> FileProof:
    """Compare a model file's predictions on original images with those on the search's pixels.

    Args:
        run: Function from a network's input to scores.
        originals: The images.
        prepare: The model file's own function, if it has one.

    Raises:
        ExportError: If a pixel differs by more than one level, or if the numbers of correct
            predictions differ by more than one in 1,000; other scores than the accuracy, by 0.01.
    """
    preparation = originals.preparation
    ways: dict[str, Prepare] = {"prepare": prepare or preparation}
    if find_spec("timm") is not None:
        ways["timm"] = timm_transform(preparation)
    count, target = len(originals.labels), preparation.target
    outputs: dict[str, list[Tensor]] = {name: [] for name in ("seen", *ways)}
    most = dict.fromkeys(ways, 0.0)
    std = torch.tensor(preparation.std).view(1, -1, 1, 1)
    for start in range(0, count, _BATCH):
        part = slice(start, start + _BATCH)
        seen = preparation(originals.levels[part])
        outputs["seen"].append(_run(run, seen))
        for name, way in ways.items():
            images = _prepared(way, name, originals.given[part])
            most[name] = max(most[name], ((images - seen) * std).abs().max().item())
            outputs[name].append(_run(run, images))
    scores = {
        name: main_score(target, torch.cat(each), originals.labels)
        for name, each in outputs.items()
    }
    metric = MAIN_METRICS[target].name
    if originals.same_rules:
        for name in ways:
            _check(name, most[name], scores[name] - scores["seen"], count, metric)
    return FileProof(
        images=count,
        seen=scores["seen"],
        prepared=scores["prepare"],
        timm=scores.get("timm"),
        difference=round(max(most.values()), 2),
        metric=metric,
    )


def timm_configuration(preparation: Preparation) -> dict[str, Any]:
    """Return the preparation as timm's configuration."""
    return {
        "mean": tuple(each / 255 for each in preparation.mean),
        "std": tuple(each / 255 for each in preparation.std),
        "interpolation": preparation.interpolation,
        "crop_pct": 1.0,
        "crop_mode": "center",
    }


def timm_transform(preparation: Preparation) -> Prepare:
    """Return timm's transform for images decoded by our rules."""
    from timm.data import create_transform  # type: ignore[import-untyped]

    size = (len(preparation.mean), preparation.side, preparation.side)
    transform: Any = create_transform(size, **timm_configuration(preparation))

    def apply(given: Sequence[Any]) -> Tensor:
        return torch.stack([transform(_decoded(each, preparation)) for each in given])

    return apply


def _decoded(given: Any, preparation: Preparation) -> Any:
    if not isinstance(given, Path):
        return plain(given, preparation.mode, preparation.levels)
    with opened_image(given, preparation.megapixels) as opened:
        opened.load()  # the result may be this very image
        return plain(opened, preparation.mode, preparation.levels)


def _prepared(way: Prepare, name: str, given: Sequence[Any]) -> Tensor:
    try:
        with warnings.catch_warnings():  # these files were read by the search without warnings
            warnings.simplefilter("ignore")
            return way(given)
    except Exception as error:  # Pillow may raise anything for a file changed since
        raise ExportError(
            f"images of the data must be prepared by {name} as the search did, but: "
            f"{type(error).__name__}: {error}"
        ) from error


def _run(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return run(images)


def _check(name: str, difference: float, higher: float, count: int, metric: str) -> None:
    if metric != "accuracy":
        if difference > _STEP or abs(higher) > _SCORE:
            raise ExportError(
                f"image files prepared by {name} must give the search's pixels within 1 of 255 and "
                f"its {metric} within {_SCORE}, but pixels differ by up to {difference:.3g} and "
                f"{metric} by {abs(higher):.3g}"
            )
        return
    more = round(higher * count)
    if difference > _STEP or abs(more) > max(1, count / _SHARE):
        raise ExportError(
            f"image files prepared by {name} must give the search's pixels within 1 of 255 and its "
            f"accuracy within one image in {_SHARE:,}, but pixels differ by up to {difference:.3g} "
            f"and {abs(more)} {'more' if more > 0 else 'fewer'} of {count} are classified correctly"
        )
