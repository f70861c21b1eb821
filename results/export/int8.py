"""Model files in int8: what quantisation after training costs, measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...evaluators.accuracy.data.dataset import SearchData
from ...evaluators.accuracy.metric_value import MetricValue
from ...evaluators.accuracy.target_metrics import scores_of
from ...evaluators.base import Measurement
from ...evaluators.int8.calibration import normalised
from ...evaluators.int8.noise import same_top, sqnr_db, why_broken
from ...evaluators.metrics import MAIN_METRICS
from ...evaluators.runtimes.program import ExportError
from ...search_space.seeds import derive_seed
from ..numbers import format_measurement, format_value
from .side_by_side import time_ratio, timed

PART_IMAGES = 256
"""Most validation images on which the parts are compared."""
_BATCH = 64
_SAME = 1e-2
"""Largest difference of a written file's scores from those of the quantised network, relative to
the largest: a graph for one batch may round otherwise, by single steps of int8."""
_ROUNDS = 5
_KEPT = 0.5
"""Least share that must be left of what the network's main score exceeds a constant prediction's
by."""
_WORST = 5
"""Parts that are printed."""

Array = NDArray[np.float32]
Run = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Int8Plan:
    """What a file in int8 is calibrated and compared with."""

    data: SearchData
    """The data of the search: ranges come from the training split, scores from the validation
    split."""
    seed: int
    """Seed of the choice of images."""
    keep_worst: int = 0
    """Number of parts that stay float: those that lose most; 0 or more."""
    trained: bool = True
    """Whether the weights are trained, so that the main score must not break down."""

    @property
    def metric(self) -> str:
        """Name of the main metric."""
        return MAIN_METRICS[self.data.target].name


@dataclass(frozen=True, kw_only=True)
class Int8Report:
    """A network in int8 beside the same network in float32, in the same runtime."""

    quantiser: str
    """The quantiser with its version."""
    calibration_images: int
    """Images of the training split that the ranges come from."""
    calibration_seed: int
    """Seed of their choice."""
    metric: str
    """Name of the main metric."""
    before: MetricValue
    """The main metric on the validation split in float32, with its 95 % interval."""
    after: MetricValue
    """The same in int8, on the same images."""
    images: int
    """Images of the validation split."""
    agreement: float
    """Share of them with the same top class, 0 to 1."""
    sqnr: float
    """Signal-to-quantisation-noise ratio of the scores, dB."""
    parts: Mapping[str, float]
    """The same ratio with one part alone in int8, dB, by part, those that lose most first."""
    part_images: int
    """Validation images of these ratios."""
    kept: tuple[str, ...]
    """Parts that were kept in float."""
    size_ratio: float
    """Size of the file divided by that of the file in float32."""
    time_ratio: float
    """Time of an image divided by that in float32, in the same runtime: median of five rounds."""
    time_ratios: tuple[float, float]
    """The smallest and the largest of these rounds."""

    def lines(self) -> dict[str, str]:
        """Return the report as text, by what each line is about."""
        before, after = (_with_interval(self.metric, e) for e in (self.before, self.after))
        low, high = self.time_ratios
        found = {
            f"{self.metric} in int8": f"{after}, in float32 {before}, on the same {self.images} "
            "validation images",
            "scores in int8": f"signal-to-noise ratio {self.sqnr:.1f} dB",
            "parts that lose most": ", ".join(
                f"{name} {ratio:.1f} dB" for name, ratio in list(self.parts.items())[:_WORST]
            )
            + " (that part alone in int8)",
            "parts kept in float": ", ".join(self.kept) or "none",
            "size in int8": f"{self.size_ratio:.2f} times that of the float32 file",
            "time in int8": f"{self.time_ratio:.2f} times that of the float32 file in the same "
            f"runtime ({low:.2f} to {high:.2f})",
            "quantiser": f"{self.quantiser}, ranges from {self.calibration_images} training images "
            f"(seed {self.calibration_seed})",
        }
        if self.metric == "accuracy":
            found["scores in int8"] += (
                f", top-1 agreement with float32 {100 * self.agreement:.1f} %"
            )
        return found


def _with_interval(metric: str, found: MetricValue) -> str:
    shown = Measurement(metric=metric, value=found.value, low=found.low, high=found.high)
    return format_measurement(shown)


def worst_parts(losses: Mapping[str, float], count: int) -> tuple[str, ...]:
    """Return the parts that lose most.

    Args:
        losses: Signal-to-noise ratio by part, dB, the smallest first.
        count: Number of parts.

    Raises:
        ExportError: If no part would be left in int8.
    """
    if count >= len(losses):
        raise ExportError(
            f"int8_keep_worst must be less than {len(losses)}, the number of parts with dense "
            f"weights, but is {count}"
        )
    return tuple(losses)[:count]


def part_losses(
    parts: Sequence[str], plan: Int8Plan, run: Run, alone: Callable[[str], Run]
) -> dict[str, float]:
    """Return the signal-to-noise ratio of the scores with one part alone in int8, dB.

    Args:
        parts: The parts.
        plan: The data.
        run: The network in float32.
        alone: Makes the network with one part in int8.
    """
    images = _some(plan)
    wanted = run(images)
    found = {part: sqnr_db(wanted, alone(part)(images)) for part in parts}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def check_same(plan: Int8Plan, run: Run, written: Run) -> None:
    """Check that a written file in int8 gives the scores of the quantised network.

    Args:
        plan: The data.
        run: The quantised network.
        written: The file, opened again.

    Raises:
        ExportError: If it does not.
    """
    images = _some(plan)
    wanted, found = run(images), written(images)
    if wanted.shape != found.shape:
        raise ExportError(
            f"the file in int8 must give scores of {wanted.shape}, but gives {found.shape}"
        )
    largest = max(float(np.abs(wanted).max()), float(np.finfo(np.float32).tiny))
    relative = float(np.abs(wanted - found).max()) / largest
    if not relative <= _SAME and np.isfinite(wanted).all():  # the comparison names what is not
        raise ExportError(
            f"the file in int8 must give the quantised network's scores within {_SAME:g} of the "
            f"largest, but differs by up to {relative:.3g}"
        )


def part_images(plan: Int8Plan) -> int:
    """Return the number of images on which the parts are compared."""
    return min(PART_IMAGES, len(plan.data.validation_labels))


def _some(plan: Int8Plan) -> Array:
    generator = torch.Generator().manual_seed(derive_seed(plan.seed, "int8 parts"))
    order = torch.randperm(len(plan.data.validation_labels), generator=generator)
    return normalised(plan.data, plan.data.validation_images[order[: part_images(plan)]])


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The scores of both networks on the validation split."""

    before: MetricValue
    """The main metric in float32."""
    after: MetricValue
    """The main metric in int8."""
    agreement: float
    """Share of the images with the same top class."""
    sqnr: float
    """Signal-to-noise ratio of the scores, dB."""


def compared(plan: Int8Plan, run: Run, quantised: Run) -> Compared:
    """Compare both networks on the validation split.

    Raises:
        ExportError: If the network in int8 is broken: scores that are not finite, noise above half
            of the signal, or trained weights of which less than half is left of what they score
            above a constant prediction.
    """
    data = plan.data
    pairs = [(run(each), quantised(each)) for each in _batches(data)]
    wanted, found = (np.concatenate(each) for each in zip(*pairs, strict=True))
    if reason := why_broken(wanted, found):
        raise ExportError(reason)
    name = plan.metric
    before, after = (
        scores_of(data.target, torch.from_numpy(e), data.validation_labels.cpu(), [name], seed=0)[
            name
        ]
        for e in (wanted, found)
    )
    least = data.baseline + _KEPT * (before.value - data.baseline)
    if plan.trained and before.value > data.baseline and not after.value >= least:
        raise ExportError(
            f"the {name} in int8 must be at least {format_value(name, least)}, halfway from a "
            f"constant prediction's {format_value(name, data.baseline)} to float32's "
            f"{format_value(name, before.value)}, but is {format_value(name, after.value)}; "
            "--int8-keep-worst N keeps the parts that lose most in float"
        )
    return Compared(
        before=before, after=after, agreement=same_top(wanted, found), sqnr=sqnr_db(wanted, found)
    )


def _batches(data: SearchData) -> Iterator[Array]:
    images: Tensor
    for images in data.validation_images.split(_BATCH):
        yield normalised(data, images)


def time_ratios(run: Run, quantised: Run, image: Array) -> tuple[float, float, float]:
    """Return the time of int8 divided by that of float32: median, smallest, largest of rounds."""
    found = [
        time_ratio(timed(lambda: run(image)), timed(lambda: quantised(image)))
        for _ in range(_ROUNDS)
    ]
    return median(found), min(found), max(found)
