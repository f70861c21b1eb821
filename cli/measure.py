"""``nas measure``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .diagnostics import diagnostics_json, print_diagnostics
from .parts import print_parts
from .shared import (
    DeviceCommand,
    Json,
    LatencyFrom,
    Plugins,
    Storage,
    StudyName,
    Target,
    WorkError,
    print_json,
)
from .show import open_study

if TYPE_CHECKING:
    from ..evaluators.base import Measurement
    from ..evaluators.measure_scores import Scored
    from ..search_space.architecture.architecture import Architecture


_MOST_IMAGES = 2**20
"""Largest batch of a latency."""


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
        str | None,
        typer.Argument(metavar="ARCH", help="Zoo name, .json or .safetensors file, or candidate."),
    ] = None,
    *,
    latency: Annotated[bool, typer.Option("--latency", help="Measure the latency too.")] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Measure this metric too, as of a plug-in; repeatable."),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Training-free scores of the network, or all."),
    ] = None,
    diagnostics: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Diagnostics of the trained weights of a candidate or a file, or all.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Data whose images the scores read (else noise), or that a file was trained on.",
        ),
    ] = None,
    target: Target = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Measure the latency in these runtimes: eager, compiled, onnxruntime, openvino "
            "...  [eager]",
        ),
    ] = None,
    device_command: DeviceCommand = None,
    latency_from: LatencyFrom = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")
    ] = "auto",
    batch: Annotated[str, typer.Option(metavar="N", help="Images per timed forward pass.")] = "1",
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test", help="Test how latencies are measured on this device, without ARCH."
        ),
    ] = False,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Measure any architecture: all exact metrics, and others on request.

    --self-test checks the clock, the synchronisation and the load of the device, and that each
    check finds its fault when it is put in.
    """
    from ..evaluators.accuracy.data.names import data_name
    from ..evaluators.base import CandidateError
    from ..evaluators.device_name import device_name
    from ..evaluators.scores import read_scores
    from ..evaluators.units import read_metric, read_whole
    from ..results.numbers import format_measurement
    from ..search_space.errors import InputError

    wanted = () if scores is None else read_scores(scores)
    if data is not None and not wanted and diagnostics is None:
        raise InputError(
            f"--data must come with --scores or --diagnostics, but got --data {data} alone"
        )
    source = None if data is None else data_name(data)
    if target is not None and (source is None or not wanted):
        raise InputError(
            f"--target must come with --scores and --data, whose targets it tells, but got "
            f"--target {target} alone"
        )
    device, images = device_name(device), read_whole("batch", batch, low=1, hint="images")
    if images > _MOST_IMAGES:
        raise InputError(f"batch must be at most {_MOST_IMAGES:,}, but got {images:,}")
    if self_test:
        others = {
            "--latency": latency,
            "--metric": bool(metric),
            "--scores": scores is not None,
            "--diagnostics": diagnostics is not None,
            "--batch": batch != "1",
            "--runtime": runtime is not None,
            "--device-command": device_command is not None,
            "--latency-from": latency_from is not None,
        }
        if given := [name for name, is_given in others.items() if is_given]:
            raise InputError(f"--self-test must come alone, but got {', '.join(given)} too")
        _self_test(device, as_json=as_json, given=architecture)
        return
    if architecture is None:
        raise InputError("a measurement must have an architecture, such as convnext_tiny")
    if diagnostics is not None:
        if wanted or latency or metric or runtime or latency_from:
            raise InputError("--diagnostics must be the only measurement, but others are given")
        given = (architecture, diagnostics, source, study, storage)
        if as_json:
            print_json(diagnostics_json(*given))
        else:
            print_diagnostics(*given)
        return
    found = find_architecture(architecture, study, storage)
    from ..evaluators.accuracy.data.spec import DataSpec
    from ..evaluators.measure import measure as measured
    from ..evaluators.measure_scores import measure_scores

    asked = [*map(read_metric, metric or ()), *(["latency"] if latency else [])]
    undefined: dict[str, str] = {}
    try:
        measurements = measured(
            found,
            metrics=asked,
            runtime=() if runtime is None else runtime,
            device=device,
            device_command=device_command or "",
            latency_from=latency_from or "",
            batch=images,
            undefined=undefined,
        )
        labelled = None
        if source is not None:
            side = found.input.height
            labelled = DataSpec(name=source, resolution=side, target=target or "")
        scored = measure_scores(found, wanted, data=labelled, device=device) if wanted else None
    except CandidateError as error:
        raise WorkError(f"it could not be measured: {error}") from None
    if as_json:
        print_json(
            {
                "digest": found.digest,
                "architecture": found.to_json(),
                "measurements": {name: each.to_json() for name, each in measurements.items()},
                **({"undefined": undefined} if undefined else {}),
                **_scores_json(scored),
            }
        )
        return
    print_parts(found)
    print()
    width = max(12, *map(len, (*measurements, *undefined)))
    for each in measurements.values():
        exact = f"  ({each.value:,}{_training(each)})" if each.low is None else ""
        print(f"{each.metric:<{width}} {format_measurement(each)}{exact}")
    for name, reason in undefined.items():
        print(f"{name:<{width}} {reason}")
    from ..evaluators.latency.efficiency import network_efficiency

    if rate := network_efficiency(measurements):
        print(f"{'efficiency':<{width}} {rate.text}")
    if scored is not None:
        _print_scores(scored, source)


def _scores_json(scored: "Scored | None") -> dict[str, Any]:
    """Return the scores as JSON values, with the MACs beside which they are to be read."""
    if scored is None:
        return {}
    from ..evaluators.base import metric

    measured = scored.measurements.values()
    return {
        "scores": {
            "macs": scored.measurements["macs"].value,
            "correlation": None,
            "measurements": {e.metric: e.to_json() for e in measured if metric(e.metric).score},
            "undefined": dict(scored.undefined),
        }
    }


def _print_scores(scored: "Scored", source: str | None) -> None:
    """Print the scores with the MACs, and that their correlation is not known."""
    from ..evaluators.base import metric
    from ..results.numbers import format_measurement

    images = "noise" if source is None else source
    macs = format_measurement(scored.measurements["macs"])
    print(f"\nScores of the untrained network, images: {images}; macs {macs}")
    for each in scored.measurements.values():
        if metric(each.metric).score:
            print(f"{each.metric:<15} {format_measurement(each)}")
    for name, reason in scored.undefined.items():
        print(f"{name:<15} {reason}")
    print(
        "Their correlation with a trained score is not measured here: nas fidelity measures it on "
        "a study (docs/fidelity.md has examples)."
    )


def _self_test(device: str, *, as_json: bool, given: str | None) -> None:
    """Run the self-test of the latency and print it.

    Raises:
        InputError: If an architecture is given.
        WorkError: If something is wrong.
    """
    from ..search_space.errors import InputError

    if given is not None:
        raise InputError(f"a self-test must have no architecture, but got {given!r}")
    import torch

    from ..evaluators.device_name import choose_device
    from ..evaluators.latency.self_test import FAULTS
    from ..evaluators.latency.self_test import self_test as tested

    found = tested(torch.device(choose_device(device)))
    if as_json:
        print_json(found.to_json())
    else:
        print(f"Latency on {found.device}")
        for each in found.checks:
            print(f"  {each.name:<16} {'passed' if each.passed else 'FAILED'}: {each.detail}")
        print("Faults put in on purpose, each of which a check must find")
        for each in found.faults:
            says = "NOT FOUND" if each.passed else "found"
            print(f"  {FAULTS[each.name]:<26} {says}: {each.detail}")
    if not found.passed:
        raise WorkError(f"the self-test of the latency failed: {'; '.join(found.wrong)}")


def _training(measurement: "Measurement") -> str:
    """Return the value of the training form as text, if that differs."""
    value = measurement.provenance.get("training_form")
    return "" if value is None else f"; {value:,} in training"
