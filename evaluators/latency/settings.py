"""The settings of the latency contract."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from ...search_space.errors import InputError, unknown_name
from ...search_space.json_fields import JsonFields
from ..runtime_table import IN_TORCH, RUNTIMES, is_latency

DTYPES = ("float32", "bfloat16")
LAYOUTS = ("contiguous", "channels_last")
"""Memory layouts, by the names of torch's memory formats without ``_format``."""
ROUNDS = 5
"""Number of rounds in which networks and sentinel alternate."""
WINDOWS = 5
"""Default of ``LatencySettings.windows``."""
DECIDERS = ("rounds", "warmup")
"""What may choose the faster memory layout."""
BRIEF: Mapping[str, Any] = {
    "windows": 1,
    "layout_by": "warmup",
    "warmup_seconds": 0.002,
    "repeats": 2 * ROUNDS,
    "min_seconds": 0.0,
    "max_seconds": 0.1,
}
"""Settings of the brief contract, for a latency that is recorded but decides nothing."""


def timed_as_it_counts(
    evaluation: Mapping[str, Mapping[str, Any]],
    *,
    counting: Collection[str] = (),
    parts: bool = False,
) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings of the evaluators, with a brief contract for each latency that is neither
    objective nor bound.

    Networks are not compiled in the brief contract, so a compiled runtime has the full one.

    Args:
        evaluation: The settings.
        counting: The metrics that are objectives or have bounds.
        parts: Whether plain latency records times of parts too, which only a latency that counts
            needs.
    """
    found = dict(evaluation)
    for name in filter(is_latency, evaluation):
        full = name in counting or found[name].get("runtime") == "compiled"
        timed = {**found[name], **({} if full else BRIEF)}
        found[name] = {**timed, **({"parts": True} if parts and name == "latency" else {})}
    return found


def with_layout(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, or a provenance, with the memory layout under its current name.

    Earlier versions timed one layout and recorded ``channels_last``, true or false.
    """
    named = dict(stated)
    if (last := named.pop("channels_last", None)) is not None:
        named.setdefault("layout", LAYOUTS[bool(last)])
    return named


@dataclass(frozen=True, kw_only=True)
class LatencySettings(JsonFields):
    """The conditions of a latency; values are comparable only under equal settings."""

    key = "latency setting"

    batch: int = 1
    """Images in one forward pass; at least 1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and images; there is no autocast."""
    layout: Literal["best", "contiguous", "channels_last"] = "best"
    """Memory layout of weights and feature maps. ``best``: both are timed, and the faster one
    counts. The faster one depends on the network: on a CPU, eager torch may take three times as
    long for a contiguous 15x15 depthwise convolution as for one with channels last."""
    runtime: str = "eager"
    """Name of a runtime: ``eager``; ``compiled``, which is ``torch.compile`` with its default mode
    and static shapes; or one that runs model files, whose memory layout is its own."""
    threads: int = 1
    """Threads of one operation on the CPU; at least 1."""
    warmup_seconds: float = 0.04
    """Shortest duration of the untimed passes before the first timed one, s; 0 or more."""
    warmup_iterations: int = 3
    """Fewest untimed passes, and length of the windows that decide whether the warm-up is stable;
    at least 1."""
    repeats: int = 20
    """Fewest timed passes; at least 10, two per round."""
    min_seconds: float = 0.08
    """Shortest duration of the timed passes, s; 0 or more."""
    max_seconds: float = 0.5
    """Duration, s, after which each round ends with its second pass; at least ``min_seconds``."""
    windows: int = WINDOWS
    """Most windows of passes: another is measured while the sentinel drifts; at least 1."""
    layout_by: Literal["rounds", "warmup"] = "rounds"
    """What chooses the faster of both layouts. ``warmup``: the warm-up, which then comes before
    other processes pause; only the faster layout is timed. In eager runs alone."""
    parts: bool = False
    """Whether to record the time of each part too, in eager runs."""
    device_command: str = ""
    """Command that runs a ruler on another device, such as ``ssh pi python3 nas_ruler.py``, where
    runtimes that run model files are timed; empty: on this device."""
    latency_from: str = ""
    """CSV file of measured latencies, of the runtime ``recorded``."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        if self.runtime not in RUNTIMES:
            raise unknown_name("runtime", self.runtime, RUNTIMES)
        if self.layout not in ("best", *LAYOUTS):
            raise unknown_name("layout", self.layout, ("best", *LAYOUTS))
        if self.layout_by not in DECIDERS:
            raise unknown_name("layout_by", self.layout_by, DECIDERS)
        if self.layout_by == "warmup" and self.runtime == "compiled":
            raise InputError(
                "layout_by must be 'rounds' with runtime 'compiled', but got 'warmup', which times "
                "networks that are not compiled"
            )
        if self.parts and self.runtime not in IN_TORCH:
            raise InputError(
                f"parts must come with runtime 'eager', but got runtime {self.runtime!r}, which "
                "runs whole networks"
            )
        lowest = {
            "batch": 1,
            "threads": 1,
            "warmup_iterations": 1,
            "repeats": 2 * ROUNDS,
            "windows": 1,
        }
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

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values.

        Studies of earlier versions lack some of the fields, so the defaults of these are left out.
        """
        found = super().to_json()
        later = {
            "windows": WINDOWS,
            "layout_by": DECIDERS[0],
            "parts": False,
            "device_command": "",
            "latency_from": "",
        }
        return {key: each for key, each in found.items() if later.get(key, ...) != each}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` of this version or an older one wrote."""
        return super().from_json(with_layout(data))
