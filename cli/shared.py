"""Options, errors and JSON output shared by the commands."""

import json
import shlex
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from ..search_space.errors import WorkError as WorkError
from .tables import Column as Column
from .tables import print_rows as print_rows

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
StudyName = Annotated[
    str | None, typer.Option("--study", metavar="NAME", help="Name of the study.  [the latest]")
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage", metavar="URL", help="Where studies are kept.  [sqlite:///runs/nas.db]"
    ),
]
ExportableOnly = Annotated[
    bool,
    typer.Option("--exportable-only", help="Another name of --exportable-to onnxruntime."),
]
ExportableTo = Annotated[
    str | None,
    typer.Option(
        "--exportable-to",
        metavar="RUNTIMES",
        help="Only components that all of these runtimes run, as in onnxruntime,openvino.",
    ),
]


def _not_empty(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Return the value of an option; an empty one, as of an unset variable, is refused.

    Raises:
        InputError: If it is empty.
    """
    if value is not None and not value.strip():
        from ..search_space.errors import InputError

        raise InputError(f"{parameter.name} must not be empty, but got {value!r}")
    return value


DeviceCommand = Annotated[
    str | None,
    typer.Option(
        "--device-command",
        metavar="COMMAND",
        callback=_not_empty,
        help="Time model files on another device, as in 'ssh pi python3 nas_ruler.py' (nas ruler "
        "writes the script).",
    ),
]
LatencyFrom = Annotated[
    str | None,
    typer.Option(
        "--latency-from",
        metavar="FILE.csv",
        callback=_not_empty,
        help="Take latencies from a file in place of a device: columns digest or name, and ms.",
    ),
]
AnyResolution = Annotated[
    bool,
    typer.Option("--any-resolution", help="Only networks that take images of any size."),
]
Constraints = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint",
        metavar="'params<=2e6'",
        help="Hard constraint, or 'macs in 1e6..5e6'; repeatable.",
    ),
]
Resolution = Annotated[
    str | None, typer.Option("--resolution", metavar="N", help="Side of the images in pixels.")
]

Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="KIND[:COLUMNS]",
        help="Target of each image: classes, regression (numbers) or labels (any number of them); "
        "of csv: data with columns, as in regression:age,weight.  [as the data are]",
    ),
]
ClassWeights = Annotated[
    bool | None,
    typer.Option(
        "--class-weights",
        help="Let every class count the same in training, however many images it has.",
    ),
]
Augmentation = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How training images are changed at random: none, shift or shift+flip.  [as suits "
        "the data; none for numbers]",
    ),
]
Recipe = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="NAME[=VALUE],...",
        help="Options of the training, as listed by nas recipes; repeatable.",
    ),
]


@contextmanager
def sigterm_interrupts() -> Generator[None]:
    """Handle SIGTERM like Ctrl-C, so that running work ends in order."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _load(names: list[str] | None) -> list[str] | None:
    from ..search_space.plugins import load_plugins

    return list(load_plugins(names)) if names else names


Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE",
        is_eager=True,  # other options may name registered plug-ins
        callback=_load,
        help="Module or .py file that registers components, metrics ...; repeatable.",
    ),
]


def storage_url(given: str | None) -> str:
    """Return the storage's URL, or the default one."""
    from ..results.study.storage_url import read_storage

    return read_storage(given)


def study_option(name: str) -> str:
    """Return the option that names a study, quoted for a shell."""
    return shlex.join([f"--study={name}"] if name.startswith("-") else ["--study", name])


def print_json(data: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(data, indent=2, allow_nan=False))


def shown(metric: str, value: float | None) -> str:
    """Return a metric's value as text."""
    from ..results.numbers import format_value

    return format_value(metric, value)
