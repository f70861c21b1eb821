"""``nas measure``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .parts import print_parts
from .shared import Json, Plugins, Storage, StudyName, WorkError, print_json
from .show import open_study

if TYPE_CHECKING:
    from ..evaluators.base import Measurement
    from ..search_space.architecture.architecture import Architecture


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("measure")(measure)


def find_architecture(name: str, study: str | None, storage: str | None) -> "Architecture":
    """Return the architecture of a zoo name, a candidate, a JSON file or a weights file.

    Raises:
        InputError: If the name is none of these.
    """
    if name.isdecimal():
        return _of_study(name, study, storage)
    if name.endswith((".json", ".safetensors")):
        from ..results.export.architecture_files import read_architecture

        return read_architecture(Path(name))
    from ..search_space.zoo import in_zoo, unknown_network, zoo_entry

    if in_zoo(name):
        return zoo_entry(name).architecture
    if name and all(c in "0123456789abcdef" for c in name.lower()):
        return _of_study(name, study, storage)
    raise unknown_network(
        "an architecture must be a candidate, a name of the zoo, or a .json or .safetensors file",
        name,
    )


def _of_study(name: str, study: str | None, storage: str | None) -> "Architecture":
    """Return a candidate's architecture; print the candidate on standard error."""
    record = open_study(study, storage)
    found = record.find(name)
    print(f"Candidate {found.number} of study {record.name}", file=sys.stderr)
    return found.architecture


def measure(
    architecture: Annotated[
        str,
        typer.Argument(metavar="ARCH", help="Zoo name, .json or .safetensors file, or candidate."),
    ],
    *,
    latency: Annotated[bool, typer.Option("--latency", help="Measure the latency too.")] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Measure this metric too, as of a plug-in; repeatable."),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")
    ] = "auto",
    batch: Annotated[str, typer.Option(metavar="N", help="Images per timed forward pass.")] = "1",
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Measure any architecture: all exact metrics, and others on request."""
    from ..evaluators.base import CandidateError
    from ..evaluators.device_name import device_name
    from ..evaluators.units import read_metric, read_whole
    from ..results.numbers import format_measurement

    device, images = device_name(device), read_whole("batch", batch, low=1, hint="images")
    found = find_architecture(architecture, study, storage)
    from ..evaluators.measure import measure as measured

    asked = [*map(read_metric, metric or ()), *(["latency"] if latency else [])]
    try:
        measurements = measured(found, metrics=asked, device=device, batch=images)
    except CandidateError as error:
        raise WorkError(f"it could not be measured: {error}") from None
    if as_json:
        print_json(
            {
                "digest": found.digest,
                "architecture": found.to_json(),
                "measurements": {name: each.to_json() for name, each in measurements.items()},
            }
        )
        return
    print_parts(found)
    print()
    for each in measurements.values():
        exact = f"  ({each.value:,}{_training(each)})" if each.low is None else ""
        print(f"{each.metric:<12} {format_measurement(each)}{exact}")


def _training(measurement: "Measurement") -> str:
    """Return the value of the training form as text, if that differs."""
    value = measurement.provenance.get("training_form")
    return "" if value is None else f"; {value:,} in training"
