"""The settings of the latency contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from ...search_space.errors import InputError, unknown_name
from ...search_space.json_fields import JsonFields

DTYPES = ("float32", "bfloat16")
RUNTIMES = ("eager", "compiled")
LAYOUTS = ("contiguous", "channels_last")
"""Memory layouts, by the names of torch's memory formats without ``_format``."""
ROUNDS = 5
"""Rounds in which the network and the sentinel take turns."""


def with_layout(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, or a provenance, with the memory layout under its present name.

    Earlier versions timed one layout and recorded ``channels_last``, true or false.
    """
    named = dict(stated)
    if (last := named.pop("channels_last", None)) is not None:
        named.setdefault("layout", LAYOUTS[bool(last)])
    return named


@dataclass(frozen=True, kw_only=True)
class LatencySettings(JsonFields):
    """What one latency is: two figures compare only where these are the same."""

    key = "latency setting"

    batch: int = 1
    """Images in one forward pass; at least 1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and images; there is no autocast."""
    layout: Literal["best", "contiguous", "channels_last"] = "best"
    """How weights and feature maps lie in memory. ``best``: both layouts are timed, and the faster
    one counts. Which one is faster depends on the network: on a CPU, eager torch may take three
    times as long for a contiguous 15x15 depthwise convolution as for one with channels last."""
    runtime: Literal["eager", "compiled"] = "eager"
    """``compiled`` is ``torch.compile`` with its default mode and static shapes."""
    threads: int = 1
    """Threads of one operation on the CPU; at least 1."""
    warmup_seconds: float = 0.04
    """Untimed passes before the first timed one go on for so long at least, s; 0 or more."""
    warmup_iterations: int = 3
    """Untimed passes at least, and the length of the windows by which the warm-up is judged
    stable; at least 1."""
    repeats: int = 20
    """Timed passes at least; at least 10, so that each round has two."""
    min_seconds: float = 0.08
    """The timed passes go on for so long at least, s; 0 or more."""
    max_seconds: float = 0.5
    """After so long, s, each round ends with its second pass; at least ``min_seconds``."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        if self.runtime not in RUNTIMES:
            raise unknown_name("runtime", self.runtime, RUNTIMES)
        if self.layout not in ("best", *LAYOUTS):
            raise unknown_name("layout", self.layout, ("best", *LAYOUTS))
        lowest = {"batch": 1, "threads": 1, "warmup_iterations": 1, "repeats": 2 * ROUNDS}
        for name, low in lowest.items():
            value = getattr(self, name)
            if type(value) is not int or value < low:
                raise InputError(f"{name} must be a whole number from {low}, but got {value!r}")
        for name, least in {
            "warmup_seconds": 0.0,
            "min_seconds": 0.0,
            "max_seconds": self.min_seconds,
        }.items():
            if not getattr(self, name) >= least:
                raise InputError(
                    f"{name} must be at least {least:g} s, but got {getattr(self, name)!r}"
                )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` of this version or an older one wrote."""
        return super().from_json(with_layout(data))
