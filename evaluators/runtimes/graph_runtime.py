"""Runtimes that run model files, and the evaluator of the latency in them."""

import time
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError, unknown_name
from ..base import CandidateError, Evaluator, Measurement, Setup
from ..host_lock import measuring, on_device
from ..latency.drift import SentinelHistory, latency_of, least_drift
from ..latency.provenance import describe
from ..latency.sentinel import NAME
from ..latency.settings import LatencySettings
from ..measurement_context import candidate_faults, seeded
from ..metrics import LATENCY
from ..stopwatch import activity
from .base import Runtime
from .known_wrong import wrong_in
from .program import ExportError
from .ruler_process import Hello, Ruler, RulerError
from .source import Source, sentinel_source, source_of

_CPU = torch.device("cpu")
_SEED = 0
_IMAGES = 4
"""Images whose scores are compared with torch's."""
_CANDIDATE, _SENTINEL = "candidate", "sentinel"


class GraphRuntime(Runtime):
    """A runtime that runs model files, in a process of its own (the ruler)."""

    package: ClassVar[str]
    """Distribution whose version is the runtime's."""
    tolerance: ClassVar[Mapping[str, float]] = {"float32": 1e-4}
    """Largest difference of the scores from torch's, relative to the largest score, by
    precision."""
    free_batch: ClassVar[bool] = True
    """Whether one file takes any number of images."""
    batches: ClassVar[tuple[int, ...]] = (1, 4)
    """Sizes of the batches with which components are tried."""
    threaded: ClassVar[bool] = True
    """Whether it can use several threads."""
    adapter: ClassVar[Path | None] = None
    """File of the class that runs the files in a ruler; None: the ruler's script has it."""

    def evaluator(self, setup: Setup) -> "GraphLatency":
        """Return the evaluator of the latency, with a ruler of its own.

        Raises:
            InputError: If the runtime has not the precision or the threads of the settings.
        """
        settings = LatencySettings.from_json(setup.settings)
        self.check(settings)
        return GraphLatency(runtime=self, settings=settings)

    def check(self, settings: LatencySettings) -> None:
        """Check that the runtime can do what the settings say.

        Raises:
            InputError: If it has not the precision, the threads or the memory layout.
        """
        if settings.dtype not in self.precisions:
            raise unknown_name(f"dtype in runtime {self.name}", settings.dtype, self.precisions)
        if settings.threads > 1 and not self.threaded:
            raise InputError(
                f"threads must be 1 in runtime {self.name}, but got {settings.threads}"
            )
        if settings.layout != "best":
            raise InputError(
                f"layout must be 'best' in runtime {self.name}, which chooses its own, but got "
                f"{settings.layout!r}"
            )

    def surroundings(self, setup: Setup) -> dict[str, Any]:
        """Return the device and the versions, for which a ruler on another device is started.

        Raises:
            InputError: If that ruler fails.
        """
        settings = LatencySettings.from_json(setup.settings)
        evaluator = GraphLatency(runtime=self, settings=settings)
        try:
            return evaluator.surroundings()
        except RulerError as error:
            raise InputError(
                f"device_command must run a ruler with {self.name!r} (docs/runtimes.md), but: "
                f"{error}"
            ) from error
        finally:
            evaluator.close()

    def stated(self) -> Mapping[str, Any]:
        """Return what the provenance states besides the device and the settings: JSON values."""
        return {}

    @abstractmethod
    def convert(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return the contents of the model files by name.

        Args:
            source: The network, folded, in eval mode, with the forms that other runtimes share.
            images: Images in one pass.

        Raises:
            ExportError: If the network cannot be converted.
        """

    def export(self, source: Source, images: int) -> Mapping[str, bytes]:
        """Return the contents of the files of the runtime's own format by name.

        The ruler runs them too. Without an own method they are those of ``convert``.

        Raises:
            ExportError: If the network cannot be converted.
        """
        return self.convert(source, images)


class GraphLatency(Evaluator):
    """Times one pass of one batch in a runtime, alternating with the sentinel, in a ruler process.

    The scores of seeded images are compared with torch's first: a file that the runtime refuses, or
    whose scores are wrong, has no latency. A ruler that fails is replaced once for a candidate.
    Windows, median and interval are those of ``LatencyEvaluator``. The memory layout is the
    runtime's own.
    """

    name = "latency"
    metrics = (LATENCY,)
    always = True
    defaults: ClassVar[Mapping[str, Any]] = LatencySettings().to_json()

    def __init__(self, *, runtime: GraphRuntime, settings: LatencySettings) -> None:
        """Set the runtime and the settings; the ruler starts with the first candidate.

        Args:
            runtime: The runtime.
            settings: Settings of the measurement.
        """
        self.runtime = runtime
        self.settings = settings
        self._ruler: Ruler | None = None
        self._hello: Hello | None = None
        self._history = SentinelHistory()

    def hello(self) -> Hello:
        """Return what the ruler says of itself; starts it if necessary.

        Raises:
            RulerError: If it fails, or is another one than before.
        """
        if self._ruler is None:
            self._ruler = Ruler(
                self.runtime.name,
                command=self.settings.device_command,
                threads=self.settings.threads,
                precision=self.settings.dtype,
                adapter=self.runtime.adapter,
            )
        found = self._ruler.hello()
        if self._hello is not None and found != self._hello:
            was, now = (f"{e.runtime} {e.version} on {e.device}" for e in (self._hello, found))
            raise RulerError(f"a ruler must stay the same, but {was} became {now}", lost=True)
        self._hello = found
        return found

    def close(self) -> None:
        """End the ruler."""
        if self._ruler is not None:
            self._ruler.close()
        self._ruler = None

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the latency of an architecture.

        Raises:
            CandidateError: ``not_defined`` if the network cannot be converted, or the runtime
                refuses it or is wrong; ``error`` if the ruler fails twice.
        """
        with candidate_faults():
            start = time.perf_counter()
            with activity("building"):
                source = source_of(architecture, by_parts=True)
                files = self._converted(source)
            seconds = time.perf_counter() - start
            for again in (True, False):
                try:
                    return (self._measured(architecture, source, files, seconds),)
                except RulerError as error:
                    if error.lost:
                        self.close()
                    if not (again and error.lost):
                        raise self._failure(error) from error
        raise AssertionError("the second failure is raised")

    @property
    def _count(self) -> int:
        """Number of images whose scores are compared: whole batches."""
        batch = self.settings.batch
        return _IMAGES if _IMAGES % batch == 0 else batch

    def _failure(self, error: RulerError) -> CandidateError:
        kind = "not_defined" if error.kind == "refused" else "error"
        verb = "refuses it" if error.kind == "refused" else "failed"
        return CandidateError(kind, f"{self._title()} {verb}: {error}")

    def _title(self) -> str:
        version = "" if self._hello is None else f" {self._hello.version}"
        return f"{self.runtime.name}{version}"

    def _converted(self, source: Source) -> Mapping[str, bytes]:
        try:
            with seeded(_SEED, _CPU):  # the exporters draw random numbers
                return self.runtime.convert(source, self.settings.batch)
        except ExportError as error:
            raise CandidateError("not_defined", f"{self.runtime.name}: {error}") from error

    def _measured(
        self,
        architecture: Architecture,
        source: Source,
        files: Mapping[str, bytes],
        seconds: float,
    ) -> Measurement:
        hello = self.hello()
        assert self._ruler is not None
        if known := wrong_in(architecture, self.runtime.name, hello.version):
            text = f"{self._title()} is known to be wrong with {known} (docs/runtimes.md)"
            raise CandidateError("not_defined", text)
        ruler, batch = self._ruler, self.settings.batch
        check = self._load(ruler, _CANDIDATE, source, files)
        sentinel = _sentinel()
        if _SENTINEL not in ruler.loaded:
            self._load(ruler, _SENTINEL, sentinel, self._converted(sentinel))
        images = {
            name: each.known(self._count)[0][:batch]
            for name, each in ((_CANDIDATE, source), (_SENTINEL, sentinel))
        }

        def window() -> tuple[Any, ...]:
            return tuple(ruler.time(images, self.settings))

        command = self.settings.device_command
        with on_device(command) if command else measuring() as alone:
            (timing, beside), drifts = least_drift(window, self._history, self.settings.windows)
        provenance = {
            **self.surroundings(),
            **self.settings.to_json(),
            **self.runtime.stated(),
            "versions": dict(hello.versions),
            "image": list(source.shape),
            "memory_layout": "runtime",
            "check": check,
            "traced_as": sorted(set(source.traced_as.values())),
            "conversion_seconds": round(seconds, 3),
            "file_bytes": sum(map(len, files.values())),
            "timing": timing.to_json(),
            "sentinel": {"name": NAME, **beside.to_json()},
            "ratio_to_sentinel": timing.median / beside.median,
            "alone": alone,
        }
        return latency_of(timing, beside, self._history, drifts, provenance)

    def surroundings(self) -> dict[str, Any]:
        """Return the device, its state and the version of the runtime, for the provenance.

        Raises:
            RulerError: If the ruler on another device fails.
        """
        here = describe(_CPU)
        if not self.settings.device_command:
            return {**here, "runtime_version": version(self.runtime.package)}
        hello = self.hello()
        return {
            "device": "cpu",
            "device_name": hello.device or hello.machine,
            "cores": hello.cores,
            "torch": here["torch"],
            "runtime_version": hello.version,
        }

    def _load(
        self, ruler: Ruler, model: str, source: Source, files: Mapping[str, bytes]
    ) -> dict[str, Any]:
        """Load a model and compare its scores with torch's.

        Returns:
            The comparison, for the provenance.

        Raises:
            CandidateError: If the scores are wrong.
        """
        batch = self.settings.batch
        ruler.load(model, files, (batch, *source.shape))
        count = self._count
        images, wanted = source.known(count)
        if not np.isfinite(wanted).all():
            raise CandidateError("non_finite", "torch's own scores are not finite")
        sizes = sorted({1, batch, count}) if self.runtime.free_batch else [batch]
        allowed = self.runtime.tolerance[self.settings.dtype]
        worst = 0.0
        for size in sizes:
            parts = [ruler.run(model, images[at : at + size]) for at in range(0, count, size)]
            found = relative_difference(np.concatenate(parts), wanted)
            worst = max(worst, found)
            if not found <= allowed:
                raise CandidateError(
                    "not_defined",
                    f"{self._title()} is wrong: its scores must differ from torch's by at most "
                    f"{allowed:g} of the largest, but differ by {found:.2g} (batch {size})",
                )
        return {"images": count, "batches": sizes, "difference": worst, "tolerance": allowed}


def relative_difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Return the largest difference relative to the largest score; NaN or infinity if wrong."""
    if found.shape != wanted.shape:
        return float("inf")
    largest = float(np.abs(wanted).max()) or 1.0
    return float(np.abs(found - wanted).max()) / largest


@cache
def _sentinel() -> Source:
    return sentinel_source()
