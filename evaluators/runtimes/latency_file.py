"""Latencies from a CSV file, in place of a device."""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from ...search_space.zoo import zoo_entry
from ..base import CandidateError, Evaluator, Measurement, Setup
from ..latency.settings import LatencySettings
from ..metrics import LATENCY
from .base import Runtime

_REST = "more"
"""Key of the values that have no column."""
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the file."""

    ms: float
    """Latency, ms."""
    low: float | None
    """Lower end of the 95 % interval, ms; None: not stated."""
    high: float | None
    """Upper end of the interval, ms; None: not stated."""


class RecordedLatency(Evaluator):
    """Looks latencies up in a CSV file.

    The columns are ``digest`` (at least 8 digits of it) or ``name`` (a published network); ``ms``;
    and, if known, ``low`` and ``high``, the 95 % interval in ms. Other columns are ignored.
    """

    name = "latency"
    metrics = (LATENCY,)
    always = True
    defaults: ClassVar[Mapping[str, Any]] = LatencySettings().to_json()

    def __init__(self, settings: LatencySettings) -> None:
        """Read the file of the settings.

        Args:
            settings: Settings with ``latency_from``.

        Raises:
            InputError: If the file cannot be read, or a line is not as it must be.
        """
        if not settings.latency_from:
            raise InputError("runtime recorded must come with latency_from, a CSV file")
        self.settings = settings
        self._path = Path(settings.latency_from)
        self._rows = read_latencies(self._path)

    def surroundings(self) -> dict[str, Any]:
        """Return what stands for the device in the provenance."""
        return {"device": "recorded", "device_name": self._path.stem}

    def evaluate(self, architecture: Architecture) -> tuple[Measurement, ...]:
        """Return the latency in the file.

        Raises:
            CandidateError: ``not_defined`` if the file does not have the network.
        """
        digest = architecture.digest
        found = next((row for key, row in self._rows.items() if digest.startswith(key)), None)
        if found is None:
            raise CandidateError("not_defined", f"{self._path.name} has no line for {digest[:12]}")
        provenance = {**self.surroundings(), **self.settings.to_json()}
        return (
            Measurement(
                metric=LATENCY.name,
                value=found.ms,
                low=found.ms if found.low is None else found.low,
                high=found.ms if found.high is None else found.high,
                provenance=provenance,
            ),
        )


class Recorded(Runtime):
    """Latencies that were measured elsewhere, from a CSV file."""

    name = "recorded"

    def evaluator(self, setup: Setup) -> RecordedLatency:
        """Return the evaluator that looks latencies up.

        Raises:
            InputError: As of ``RecordedLatency``.
        """
        return RecordedLatency(LatencySettings.from_json(setup.settings))

    def surroundings(self, setup: Setup) -> dict[str, Any]:
        """Return what stands for the device.

        Raises:
            InputError: As of ``RecordedLatency``.
        """
        return self.evaluator(setup).surroundings()


def read_latencies(path: Path) -> dict[str, Row]:
    """Return the lines of a file by digest, or its beginning.

    Raises:
        InputError: If the file cannot be read, or a line is not as it must be.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey=_REST)
            reader.fieldnames = _columns(reader.fieldnames or (), path)
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"a file of latencies must be a readable CSV file, but got {str(path)!r}: {error}"
        ) from error
    found: dict[str, Row] = {}
    places: dict[str, str] = {}
    for place, line in lines:
        where = f"line {place} of {path.name}"
        if _REST in line:
            raise InputError(
                f"a line of latencies must have a value for each column, but {where} has more "
                "(is it a comma in a number?)"
            )
        key = _digest(line, where)
        if key in found:
            raise _second(where)
        found[key], places[key] = _row(line, where), where
    # In order, the beginning of a digest comes before it, and only its other beginnings between.
    for short, long in pairwise(sorted(found)):
        if long.startswith(short):
            order = list(found)
            raise _second(places[max(short, long, key=order.index)])
    if not found:
        raise InputError(f"a file of latencies must have lines, but got {path.name} with none")
    return found


def _columns(given: Sequence[str], path: Path) -> list[str]:
    """Return the names of the columns, without spaces and in small letters.

    Raises:
        InputError: If a necessary one is missing, or one of ours comes twice.
    """
    names = [each.strip().lower() for each in given]
    once = all(names.count(each) < 2 for each in ("digest", "name", "ms", "low", "high"))
    if not once or "ms" not in names or not {"digest", "name"} & {*names}:
        raise InputError(
            "the first line of a file of latencies must name the columns digest or name, and ms, "
            f"each once, separated by commas, but {path.name} has {','.join(given)[:80]!r}"
        )
    return names


def _second(where: str) -> InputError:
    return InputError(f"a network must have one line, but {where} is a second one")


def _digest(line: Mapping[str, Any], where: str) -> str:
    """Return the digest that a line names, or its beginning.

    Raises:
        InputError: If it names none.
    """
    digest = (line.get("digest") or "").strip().lower()
    if _DIGEST.fullmatch(digest):
        return digest
    name = (line.get("name") or "").strip()
    if digest or not name:
        raise InputError(
            f"a line of latencies must have a digest of 8 to 64 hexadecimal digits, or the name of "
            f"a published network, but {where} has digest {digest!r} and name {name!r}"
        )
    return zoo_entry(name).architecture.digest


def _row(line: Mapping[str, Any], where: str) -> Row:
    ms, low, high = _numbers(line, where)
    if ms is None:
        raise InputError(f"a line of latencies must have ms, but {where} has none")
    ends = (ms if low is None else low, ms if high is None else high)
    if not 0 < ends[0] <= ms <= ends[1] < math.inf:
        raise InputError(
            f"a latency must be above 0 and in its interval, but {where} has {ms:g} ms in "
            f"{ends[0]:g} to {ends[1]:g}"
        )
    return Row(ms=ms, low=low, high=high)


def _numbers(line: Mapping[str, Any], where: str) -> Iterator[float | None]:
    for name in ("ms", "low", "high"):
        text = (line.get(name) or "").strip()
        try:
            if "_" in text:  # Python reads 1_0 as 10
                raise ValueError
            yield float(text) if text else None
        except ValueError:
            raise InputError(f"{name} must be a number, but {where} has {text!r}") from None
