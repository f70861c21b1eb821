"""Provenance of a latency: device, driver, clocks, versions, load, as JSON values."""

import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

_SMI_FIELDS = {
    "driver": "driver_version",
    "sm_mhz": "clocks.sm",
    "memory_mhz": "clocks.mem",
    "temperature_c": "temperature.gpu",
    "power_w": "power.draw",
}
_SMI_SECONDS = 5.0
_drivers: dict[str, Any] = {}
"""Driver by GPU, read once, since it cannot change while the process lives."""


def describe(device: torch.device) -> dict[str, Any]:
    """Return the device and its present state; values that cannot be read are left out."""
    state = _cuda(device) if device.type == "cuda" else _cpu()
    load = {"load_average": list(os.getloadavg())} if hasattr(os, "getloadavg") else {}
    return {
        "device": device.type,
        **state,
        **load,
        "torch": torch.__version__,
        "matmul_precision": torch.get_float32_matmul_precision(),
    }


def read_smi(line: str) -> dict[str, Any]:
    """Read one line of ``nvidia-smi --format=csv,noheader,nounits`` for the requested fields.

    Clocks are in MHz, temperature in degrees Celsius, power in W; fields without a value, such as
    ``[N/A]``, are left out.
    """
    values = [value.strip() for value in line.split(",")]
    if len(values) != len(_SMI_FIELDS):
        return {}
    state: dict[str, Any] = {}
    for name, value in zip(_SMI_FIELDS, values, strict=True):
        with suppress(ValueError):
            state[name] = value if name == "driver" else float(value)
    return state


def _cpu() -> dict[str, Any]:
    state: dict[str, Any] = {"device_name": _cpu_name(), "cores": os.cpu_count()}
    with suppress(OSError, ValueError):  # readable on some machines only
        path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
        state["core_mhz"] = int(path.read_text()) / 1000
    return state


@cache
def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cuda(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    return {
        "device_name": properties.name,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        **_smi(str(properties.uuid)),
    }


def _smi(uuid: str) -> dict[str, Any]:
    command = [
        "nvidia-smi",
        f"--id=GPU-{uuid.removeprefix('GPU-')}",
        f"--query-gpu={','.join(_SMI_FIELDS.values())}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SMI_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        found = {}  # a busy machine may take too long to answer
    else:
        found = read_smi(done.stdout)
    if driver := found.get("driver", _drivers.get(uuid)):
        found["driver"] = _drivers[uuid] = driver
    return found
