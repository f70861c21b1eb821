"""A network in float32 and in int8, in one runtime."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np

from ...evaluators.int8.calibration import training_images
from ...search_space.architecture.network import Network
from .int8 import (
    Array,
    Int8Plan,
    Int8Report,
    Run,
    check_same,
    compared,
    part_images,
    part_losses,
    time_ratios,
    worst_parts,
)

Files = Mapping[str, bytes]
"""Contents of the files of a model by name."""


class Quantiser(ABC):
    """Quantises one network for one runtime, and runs its files."""

    name: str
    """The quantiser with its version."""
    modules: tuple[str, ...]
    """Names of the modules that can be in int8."""
    whole: Files
    """The files in float32."""
    batch: int = 1
    """Images in one timed pass."""

    def alone(self, modules: Collection[str]) -> Files:
        """Return the files with these modules alone in int8."""
        return self.quantised({each for each in self.modules if each not in modules})

    def size(self, files: Files) -> int:
        """Return the bytes of files as written, without the header."""
        return sum(map(len, files.values()))

    @abstractmethod
    def quantised(self, keep: Collection[str]) -> Files:
        """Return the files in int8; the modules of ``keep`` stay float."""

    @abstractmethod
    def opened(self, files: Files) -> Run:
        """Return the function from any number of images to scores."""


class InBothForms:
    """One network in float32 and in int8."""

    def __init__(
        self, network: Network, plan: Int8Plan, quantiser: Quantiser, images: Array
    ) -> None:
        """Open the float32 form.

        Args:
            network: The network.
            plan: The data.
            quantiser: Its quantiser.
            images: The calibration images.
        """
        self.plan, self.quantiser, self.images = plan, quantiser, images
        names = [part.name for part in network.architecture.parts()]
        self.modules: dict[str, list[str]] = {}
        for module in quantiser.modules:
            self.modules.setdefault(_part_of(module, names), []).append(module)
        self.run = quantiser.opened(quantiser.whole)

    def _alone(self, part: str) -> Run:
        return self.quantiser.opened(self.quantiser.alone(self.modules[part]))

    @cached_property
    def losses(self) -> dict[str, float]:
        """Signal-to-noise ratio of the scores with one part alone in int8, dB."""
        return part_losses(list(self.modules), self.plan, self.run, self._alone)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The parts that stay float."""
        return worst_parts(self.losses, self.plan.keep_worst) if self.plan.keep_worst else ()

    @cached_property
    def files(self) -> Files:
        """The files in int8."""
        return self.quantiser.quantised({e for part in self.kept for e in self.modules[part]})

    def report(self, written: Files) -> Int8Report:
        """Compare written files with the network in float32 on the validation split.

        Args:
            written: The files in int8 as written, opened again.

        Raises:
            ExportError: If their scores are not those of ``files``, or the form in int8 is broken.
        """
        quantised = self.quantiser.opened(written)
        check_same(self.plan, self.quantiser.opened(self.files), quantised)
        found = compared(self.plan, self.run, quantised)
        ratio, low, high = time_ratios(self.run, quantised, self.images[: self.quantiser.batch])
        small, large = map(self.quantiser.size, (self.files, self.quantiser.whole))
        return Int8Report(
            quantiser=self.quantiser.name,
            calibration_images=len(self.images),
            calibration_seed=self.plan.seed,
            metric=self.plan.metric,
            before=found.before,
            after=found.after,
            images=len(self.plan.data.validation_labels),
            agreement=found.agreement,
            sqnr=found.sqnr,
            parts=self.losses,
            part_images=part_images(self.plan),
            kept=self.kept,
            size_ratio=small / large,
            time_ratio=ratio,
            time_ratios=(low, high),
        )


def by_batch(run: Run, batch: int) -> Run:
    """Return a run on any number of images, by passes of ``batch``; the last one is filled up."""

    def run_all(images: Array) -> Array:
        missing = -len(images) % batch
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        parts = [run(filled[at : at + batch]) for at in range(0, len(filled), batch)]
        return np.concatenate(parts)[: len(images)]

    return run_all


def calibration(plan: Int8Plan) -> Array:
    """Return the calibration images."""
    return training_images(plan.data, seed=plan.seed)


def _part_of(module: str, parts: list[str]) -> str:
    """Return the part that a module belongs to; the module's own name if there is none."""
    inside = [each for each in parts if module == each or module.startswith(f"{each}.")]
    return max(inside, key=len, default=module)
