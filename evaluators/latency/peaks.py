"""The peak rates of a device, measured once and stored: multiply-adds and moved bytes."""

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...search_space.json_fields import is_mapping
from ..cost.cache import cache_folder
from .provenance import describe
from .settings import LatencySettings

_LOG = logging.getLogger(__name__)
_SIDES = {"cpu": 1024, "cuda": 8192}
"""Side of the multiplied matrices, by type of device."""
_BYTES = {"cpu": 1 << 26, "cuda": 1 << 30}
"""Bytes of the copied array, far beyond the caches."""
_REPEATS = 5
_IDENTITY = ("device_name", "device", "driver", "cuda", "torch", "matmul_precision")
_known: dict[str, "Peaks"] = {}
"""Peaks by key, read or measured once in this process."""


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """The best rates that large operations reach on a device."""

    macs: float
    """Multiply-adds a second, in a product of large square matrices."""
    bytes: float
    """Bytes read and written a second, in a copy of a large array."""

    @property
    def ridge(self) -> float:
        """Multiply-adds per byte above which the arithmetic and not the memory limits the rate."""
        return self.macs / self.bytes

    def ideal_ms(self, macs: float, moved: float) -> float:
        """Return the least time of operations and moved bytes, ms (the roofline)."""
        return 1e3 * max(macs / self.macs, moved / self.bytes)

    def to_json(self) -> dict[str, float]:
        """Return the peaks as JSON values."""
        return {"macs_per_second": self.macs, "bytes_per_second": self.bytes}

    @classmethod
    def from_json(cls, data: Any) -> "Peaks | None":
        """Read ``to_json``; None if the data are no peaks."""
        if not is_mapping(data):
            return None
        rates: list[float] = []
        for name in ("macs_per_second", "bytes_per_second"):
            rate = data.get(name)
            if not isinstance(rate, int | float) or rate <= 0:
                return None
            rates.append(float(rate))
        return cls(macs=rates[0], bytes=rates[1])


def peaks_of(device: torch.device, settings: LatencySettings) -> Peaks:
    """Return the peaks of a device for a type of numbers and a number of threads.

    They are measured at first use, which takes less than a second, and stored in the cache folder.
    """
    state = describe(device)
    identity = {name: state[name] for name in _IDENTITY if name in state}
    key = json.dumps({**identity, "dtype": settings.dtype, "threads": settings.threads})
    if key not in _known:
        stored = _read()
        found = Peaks.from_json(stored.get(key))
        if found is None:
            found = measure_peaks(device, settings)
            _write({**_read(), key: found.to_json()})
        _known[key] = found
    return _known[key]


def measure_peaks(device: torch.device, settings: LatencySettings) -> Peaks:
    """Measure the peaks: the best of several products and copies."""
    dtype = getattr(torch, settings.dtype)
    side, size = _SIDES[device.type], _BYTES[device.type]
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.inference_mode():
            a = torch.ones(side, side, dtype=dtype, device=device)
            product = torch.empty_like(a)
            macs = side**3 / _best(lambda: torch.matmul(a, a, out=product), device)
            source = torch.ones(size, dtype=torch.uint8, device=device)
            target = torch.empty_like(source)
            moved = 2 * size / _best(lambda: target.copy_(source), device)
    finally:
        torch.set_num_threads(before)
    return Peaks(macs=macs, bytes=moved)


def _best(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the fastest of several runs, after one that is not timed."""
    times: list[float] = []
    for _ in range(_REPEATS + 1):
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _file() -> Path:
    return cache_folder() / "peaks.json"


def _read() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(_file().read_text(encoding="utf-8"))
        if is_mapping(found):
            return dict(found)
    return {}


def _write(peaks: dict[str, Any]) -> None:
    """Replace the file; a failure is logged, since peaks can be measured again."""
    try:
        folder = _file().parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".peaks.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(peaks, file, indent=1)
        Path(temporary).replace(_file())
    except OSError as error:
        _LOG.warning("the peaks of the device are not stored: %s", error)
