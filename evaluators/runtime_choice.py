"""The runtimes that a search or a measurement chooses: checks, and the settings that follow."""

import shlex
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..search_space.errors import InputError
from .metrics import LATENCY
from .runtime_table import (
    EAGER,
    IN_TORCH,
    RECORDED,
    check_installed,
    is_latency,
    read_runtimes,
    runs_files,
    runtime_of,
)
from .runtimes.exportable import with_table

_EXPORTABLE = "onnxruntime"
"""The runtime that ``exportable_only`` means."""


def check_runtimes(
    chosen: Sequence[str],
    counting: Collection[str],
    *,
    device_command: str = "",
    latency_from: str = "",
    predicted: bool = False,
) -> None:
    """Check that all runtimes that are needed can be used.

    Args:
        chosen: Runtimes by name; the first is that of plain latency.
        counting: Metrics that are objectives or have bounds.
        device_command: Command that runs a ruler; empty: on this device.
        latency_from: CSV file of measured latencies; empty: none.
        predicted: Whether plain latency is predicted from times of parts.

    Raises:
        InputError: If a package is missing, or an option does not fit the runtimes.
    """
    named = [each for each in map(runtime_of, counting) if each is not None]
    used = dict.fromkeys((*chosen, *named))
    check_installed(used, here=not device_command)
    if predicted and chosen and chosen[0] not in IN_TORCH:
        raise InputError(
            "predict_latency must come with runtime eager, whose parts can be timed, but got "
            f"{chosen[0]!r}"
        )
    if (RECORDED in used) != bool(latency_from):
        raise InputError(
            "latency_from must come with runtime recorded, and runtime recorded with latency_from "
            f"(a CSV file), but got latency_from {latency_from!r} and {', '.join(used) or EAGER}"
        )
    if latency_from and not Path(latency_from).is_file():
        raise InputError(f"latency_from must be a file, but got {latency_from!r}")
    if device_command:
        if not any(map(runs_files, used)):
            raise InputError(
                "device_command must come with a runtime that runs model files (runtime "
                f"{_EXPORTABLE}), but got {', '.join(used) or EAGER}"
            )
        check_command(device_command)


def check_command(command: str) -> None:
    """Check that a command can be run here.

    Raises:
        InputError: If it has no program, or the program is not there.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(
            f"device_command must be a command, but got {command!r}: {error}"
        ) from None
    if not words or shutil.which(words[0]) is None:
        raise InputError(
            "device_command must begin with a program that is installed, as in 'ssh pi python3 "
            f"nas_ruler.py', but got {command!r}"
        )


def set_runtimes(
    evaluation: dict[str, dict[str, Any]],
    chosen: Sequence[str],
    *,
    device_command: str = "",
    latency_from: str = "",
) -> None:
    """Set the runtime of plain latency, and where the latencies of the runtimes come from.

    Args:
        evaluation: Settings of the evaluators by name, which are changed.
        chosen: Runtimes by name; the first is that of plain latency; none: ``eager``.
        device_command: Command that runs a ruler; empty: on this device.
        latency_from: CSV file of measured latencies; empty: none.
    """
    for name in filter(is_latency, evaluation):
        if name == LATENCY.name and chosen:
            evaluation[name]["runtime"] = chosen[0]
        runtime = evaluation[name]["runtime"]
        if device_command and runs_files(runtime):
            evaluation[name]["device_command"] = device_command
        if runtime == RECORDED:
            evaluation[name]["latency_from"] = str(Path(latency_from).resolve())


def optional_latencies(
    evaluation: Mapping[str, Mapping[str, Any]], counting: Collection[str]
) -> tuple[str, ...]:
    """Return the latencies without which a candidate is complete.

    They decide nothing, and a runtime may refuse a network, or run it wrongly.

    Args:
        evaluation: Settings of the evaluators by name.
        counting: Metrics that are objectives or have bounds.
    """
    return tuple(
        name
        for name in filter(is_latency, evaluation)
        if name not in counting
        and (name != LATENCY.name or evaluation[name]["runtime"] not in IN_TORCH)
    )


def read_exportable(names: Sequence[str], *, only: bool = False) -> tuple[str, ...]:
    """Read the runtimes that components must be exportable to.

    Args:
        names: Names of runtimes.
        only: Whether ``exportable_only`` is given, the other name of ONNX Runtime here.

    Raises:
        InputError: If a runtime is not known, or there is no table of what it runs.
    """
    found = dict.fromkeys(
        (*(read_runtimes(names) if names else ()), *((_EXPORTABLE,) if only else ()))
    )
    known = with_table() if found else ()
    for name in found:
        if name not in known:
            raise InputError(
                f"exportable_to must be of {', '.join(known)}, whose components are known "
                f"(docs/runtimes.md), but got {name!r}"
            )
    return tuple(found)


def with_recorded(chosen: Sequence[str], latency_from: str) -> tuple[str, ...]:
    """Return the chosen runtimes; with a file of latencies alone, the one that reads it."""
    return tuple(chosen) or ((RECORDED,) if latency_from else ())
