"""The table of runtimes, usable before one of them is imported.

A runtime is what runs a network on a device: eager torch, ONNX Runtime, OpenVINO. Each has a
latency of its own, the metric ``latency@NAME``. Each is a class in a file of ``runtimes/``, and
one line here.
"""

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..search_space.errors import InputError, known_name
from ..search_space.plugins import add, load_installed, resolved
from .metrics import LATENCY, Metric

GROUP = "nas_explorer.runtimes"
"""Group of the entry points of runtimes."""
EAGER = "eager"
"""The runtime that plain ``latency`` means unless another is chosen."""
IN_TORCH = (EAGER, "compiled")
"""The runtimes that run torch's own modules in the measuring process."""
RECORDED = "recorded"
"""The runtime whose latencies come from a file."""
_SEPARATOR = "@"


@dataclass(frozen=True, kw_only=True)
class RuntimeEntry:
    """An entry of the table of runtimes."""

    name: str
    """The runtime's name."""
    place: str | type[Any]
    """The runtime's class, or its module in this package and its name."""
    modules: tuple[str, ...] = ()
    """Modules that must be installed here to convert networks for the runtime."""
    local: tuple[str, ...] = ()
    """Modules that must be installed besides to run networks on this device."""
    extra: str = ""
    """Extra of this package that installs them; empty: they are always installed."""

    def load(self) -> type[Any]:
        """Return the runtime's class."""
        return resolved(self.place, __name__.rpartition(".")[0])

    @property
    def metric(self) -> Metric:
        """The metric of the runtime's latency."""
        return replace(
            LATENCY,
            name=latency_name(self.name),
            summary=f"median time of one forward pass of one batch in the runtime {self.name}",
        )

    def absent(self, *, here: bool = True) -> tuple[str, ...]:
        """Return the modules that are not installed.

        Args:
            here: Whether networks are run on this device.
        """
        needed = (*self.modules, *(self.local if here else ()))
        return tuple(each for each in needed if importlib.util.find_spec(each) is None)


RUNTIMES: dict[str, RuntimeEntry] = {
    each.name: each
    for each in (
        RuntimeEntry(name=EAGER, place="runtimes.torch_runtimes:Eager"),
        RuntimeEntry(name="compiled", place="runtimes.torch_runtimes:Compiled"),
        RuntimeEntry(name=RECORDED, place="runtimes.latency_file:Recorded"),
        RuntimeEntry(name="onnxruntime", place="runtimes.onnx_runtimes:OnnxRuntime"),
        RuntimeEntry(name="onnxruntime-int8", place="int8.runtime:OnnxRuntimeInt8"),
        RuntimeEntry(
            name="openvino",
            place="runtimes.onnx_runtimes:OpenVino",
            local=("openvino",),
            extra="openvino",
        ),
        RuntimeEntry(
            name="mnn",
            place="runtimes.onnx_runtimes:Mnn",
            modules=("_tools",),
            local=("MNN",),
            extra="mnn",
        ),
        RuntimeEntry(
            name="tract", place="runtimes.onnx_runtimes:Tract", local=("tract",), extra="tract"
        ),
        RuntimeEntry(
            name="ncnn",
            place="runtimes.onnx_runtimes:Ncnn",
            modules=("pnnx",),
            local=("ncnn",),
            extra="ncnn",
        ),
        RuntimeEntry(
            name="executorch",
            place="runtimes.executorch_runtime:ExecuTorch",
            modules=("executorch",),
            extra="executorch",
        ),
        RuntimeEntry(
            name="litert",
            place="runtimes.litert_runtime:LiteRt",
            modules=("litert_torch",),
            local=("ai_edge_litert",),
            extra="litert",
        ),
    )
}
"""The runtimes by name; ``register_runtime`` adds to them."""


def latency_name(runtime: str) -> str:
    """Return the name of the latency in a runtime: ``latency@onnxruntime``."""
    return f"{LATENCY.name}{_SEPARATOR}{runtime}"


def runtime_of(metric: str) -> str | None:
    """Return the runtime that the name of a latency names; None for other names."""
    base, at, runtime = metric.partition(_SEPARATOR)
    return runtime if at and base == LATENCY.name and runtime in RUNTIMES else None


def runs_files(runtime: object) -> bool:
    """Whether a runtime runs model files, in a ruler process."""
    return runtime in RUNTIMES and runtime not in (*IN_TORCH, RECORDED)


def is_latency(metric: str) -> bool:
    """Whether a metric is the latency, plain or in a named runtime."""
    return metric == LATENCY.name or runtime_of(metric) is not None


def read_runtimes(names: object) -> tuple[str, ...]:
    """Read names of runtimes, such as ``onnxruntime,openvino``, each once.

    Raises:
        InputError: If a name is no runtime; the message lists the known ones.
    """
    if isinstance(names, str):
        listed: Iterable[object] = names.split(",")
    else:
        listed = names if isinstance(names, list | tuple) else (names,)
    return tuple(dict.fromkeys(known_name("runtime", str(e).strip(), RUNTIMES) for e in listed))


def check_installed(names: Iterable[str], *, here: bool = True) -> None:
    """Check that all that runtimes need is installed.

    Args:
        names: Names of runtimes.
        here: Whether networks are run on this device, and not only converted.

    Raises:
        InputError: If a package is missing; the message names the extra that installs it.
    """
    for name in names:
        entry = RUNTIMES[name]
        if absent := entry.absent(here=here):
            what = ", ".join(absent)
            raise InputError(
                f"runtime {name!r} must be installed, but got no module {what}; "
                f"pip install 'nas-explorer[{entry.extra}]' installs it"
            )


def add_runtime(cls: type[Any]) -> None:
    """Add a runtime to this table; ``register_runtime`` adds its latency too.

    Raises:
        InputError: If its name is not valid, or is taken.
    """
    entry = RuntimeEntry(
        name=cls.name, place=cls, modules=cls.modules, local=cls.local, extra=cls.extra
    )
    add(RUNTIMES, cls.name, entry, kind="runtime", group=GROUP)


load_installed(GROUP, add_runtime)
