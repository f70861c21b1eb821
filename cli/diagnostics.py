"""Diagnostics of a trained network, for ``nas measure``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .fronts import score_notes
from .shared import WorkError
from .show import open_study

if TYPE_CHECKING:
    from ..evaluators.measure_scores import Scored
    from ..results.candidate import Candidate
    from ..results.study.study import Study


def print_diagnostics(
    network: str, names: str, data: str | None, study: str | None, storage: str | None
) -> None:
    """Print diagnostics of a candidate's kept weights, or of a file's.

    Raises:
        InputError: If it is neither, or the images are not known or have changed.
        WorkError: If the search kept no weights of the candidate.
    """
    found, candidate, record = _found(network, names, data, study, storage)
    _print(found, network if candidate is None else f"candidate {candidate.number}")
    if record is None:
        print(
            "Their correlation with a trained score is not measured here: nas fidelity "
            "--diagnostics all measures it on a study."
        )
        return
    for note in score_notes(record, _names(found)):
        print(f"Note: {note}")


def diagnostics_json(
    network: str, names: str, data: str | None, study: str | None, storage: str | None
) -> dict[str, Any]:
    """Return the same as JSON values, with the MACs beside which they are to be read."""
    found, _, record = _found(network, names, data, study, storage)
    measured = {name: found.measurements[name].to_json() for name in _measured(found)}
    return {
        "diagnostics": {
            "macs": found.measurements["macs"].value,
            "measurements": measured,
            "undefined": dict(found.undefined),
            "notes": [] if record is None else score_notes(record, _names(found)),
        }
    }


def _found(
    network: str, names: str, data: str | None, study: str | None, storage: str | None
) -> "tuple[Scored, Candidate | None, Study | None]":
    from ..evaluators.base import CandidateError
    from ..evaluators.diagnostics import read_diagnostics
    from ..search_space.errors import InputError
    from ..search_space.zoo import in_zoo
    from ..searchers.run.diagnosing import diagnose

    wanted = read_diagnostics(names)
    is_file = network.endswith(".safetensors")
    if not is_file and (network.endswith(".json") or in_zoo(network)):
        raise InputError(
            "diagnostics must be of trained weights, those of a candidate or of a .safetensors "
            f"file, but got {network!r}"
        )
    record = None if is_file else open_study(study, storage)
    candidate = None if record is None else record.find(network)
    if candidate is not None and record is not None:
        print(f"Candidate {candidate.number} of study {record.name}", file=sys.stderr)
    try:
        found = diagnose(
            Path(network) if candidate is None else candidate, wanted, study=record, data=data
        )
    except CandidateError as error:
        raise WorkError(f"it could not be measured: {error}") from None
    return found, candidate, record


def _measured(found: "Scored") -> list[str]:
    from ..evaluators.base import metric

    return [name for name in found.measurements if metric(name).score]


def _names(found: "Scored") -> list[str]:
    return [*_measured(found), *found.undefined]


def _print(found: "Scored", what: str) -> None:
    from ..results.numbers import format_measurement

    macs = format_measurement(found.measurements["macs"])
    print(f"Diagnostics of the trained weights of {what}; macs {macs}")
    parts: dict[str, dict[str, float]] = {}
    for name in _measured(found):
        each = found.measurements[name]
        print(f"{name:<18} {format_measurement(each)}")
        for part, value in (each.provenance.get("parts") or {}).items():
            parts.setdefault(part, {})[name] = value
    for name, reason in found.undefined.items():
        print(f"{name:<18} {reason}")
    _print_parts(parts)


def _print_parts(parts: dict[str, dict[str, float]]) -> None:
    """Print the values of blocks, sums and layers, a line for each."""
    from .shared import Column, print_rows

    for title, wanted in _TABLES.items():
        lines = {p: v for p, v in parts.items() if any(name in v for name in wanted)}
        names = [name for name in wanted if any(name in each for each in lines.values())]
        if names:
            print()
            rows = [
                [part, *(f"{each[n]:.3g}" if n in each else "" for n in names)]
                for part, each in lines.items()
            ]
            print_rows([Column(title=title), *(Column(title=name) for name in names)], rows)


_TABLES = {
    "convolution": ("filter_sparsity", "filter_entropy"),
    "sum": ("skip_ratio",),
    "block": (
        "layer_similarity",
        "feature_entropy",
        "feature_invariance",
        "feature_alignment",
        "feature_uniformity",
        "linear_probe",
    ),
}
"""The tables of parts, each with its diagnostics."""
