"""Export of a candidate of a study as a model file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...evaluators.base import Measurement
from ...evaluators.runtime_table import is_latency
from ...evaluators.units import write_bounds
from ...search_space.errors import WorkError
from ..candidate import Candidate
from ..settings import StudySettings
from .card import from_files, recounted
from .export import export_model, format_for
from .files import check_target
from .formats import check_int8
from .int8 import Int8Plan
from .proof import Proof
from .record_checks import (
    check_measured,
    kept_preparation,
    originals,
    study_data,
    trained_weights,
)
from .weights import WeightsFolder

_CONDITIONS = (
    "device_name",
    "device",
    "batch",
    "threads",
    "runtime",
    "runtime_version",
    "dtype",
    "memory_layout",
    "layout_by",
    "torch",
)
"""Keys of a latency's provenance that a card states."""


def export_candidate(
    found: Candidate,
    output: Path,
    *,
    study: str,
    settings: StudySettings,
    folder: WeightsFolder,
    untrained: bool = False,
    any_resolution: bool = False,
    batch: int | None = None,
    int8: bool = False,
    int8_keep_worst: int = 0,
    licence: str | None = None,
    test_readings: int = 0,
) -> tuple[Proof, dict[str, str]]:
    """Write a candidate as a model file; return the proof, and a comparison with the record as
    text.

    The comparison covers accuracy, parameters and multiply-adds.

    Args:
        found: The candidate.
        output: Path of the file; the ending decides the format.
        study: Name of the study.
        settings: Settings of the study.
        folder: Folder of the weights that the search kept.
        untrained: Whether to export new, untrained weights.
        any_resolution: Whether ``.onnx`` and ``.pt2`` take images of any size.
        batch: Images in one pass; None: any number, or 1 for a runtime's own format.
        int8: Whether the file is in int8, calibrated on the training split.
        int8_keep_worst: Number of parts that stay float in it: those that lose most.
        licence: Licence of the data, for the card.
        test_readings: Number of readings of the study's test split so far, for the card.

    Raises:
        WorkError: If there are no trained weights, or the file does not reproduce the candidate.
        InputError: If the file cannot be written, or the format cannot hold the network.
    """

    check_target(output)  # before the slow work
    check_int8(output, int8, int8_keep_worst, any_resolution=any_resolution)
    format_for(found.architecture, output, any_resolution=any_resolution, batch=batch)
    weights, training = None, "untrained"
    if not untrained:
        weights, training = trained_weights(folder, found, hint="; --untrained exports new ones")
    kept = kept_preparation(found, training)
    data, remark = study_data(settings, older=kept is None)
    plan = None
    if int8:
        if data is None:
            raise WorkError(f"a file in int8 must have the images of the search, but {remark}")
        plan = Int8Plan(
            data=data, seed=settings.seed, keep_worst=int8_keep_worst, trained=not untrained
        )
    checked = check_measured(found, weights, data, remark)
    prepared = kept or (None if data is None else data.preparation)
    if isinstance(training, dict):
        training = {**training, "data": _portable(training["data"])}
        training.pop("preparation", None)  # stored separately, with the rules as text
    metadata = {
        "study": study,
        "candidate": found.number,
        "training": training,
        "measurements": {name: _described(each) for name, each in found.measurements.items()},
        "data": _portable(settings.data),
        "preparation": "not stated" if prepared is None else prepared.described(),
        "checked": checked,
        "licence": licence or "not stated",
        "search": {
            "study": study,
            "candidate": found.number,
            "space": settings.space_name,
            "searcher": settings.searcher,
            "seed": settings.seed,
            "objectives": ", ".join(settings.objectives),
            "constraints": write_bounds(", ".join(settings.constraints)) or "none",
            "readings of the test split": test_readings,
        },
    }
    proof = export_model(
        found.architecture,
        output,
        weights=weights,
        metadata=metadata,
        seed=settings.seed,
        images=None if data is None else data.preparation(data.validation_images[:64]),
        originals=None
        if data is None or weights is None
        else originals(data, same_rules=not remark),
        any_resolution=any_resolution,
        batch=batch,
        int8=plan,
    )
    lines = {} if proof.int8 is None else proof.int8.lines()
    return proof, {
        settings.main_metric: checked,
        **from_files(proof),
        **recounted(metadata, proof),
        **lines,
    }


def _described(measurement: Measurement) -> dict[str, Any]:
    """Return a measurement for the file: value, unit, interval, and conditions of a latency."""
    found = measurement.to_json()
    provenance = found.pop("provenance")
    if "training_form" in provenance:
        found["training_form"] = provenance["training_form"]
    if is_latency(measurement.metric):
        found["conditions"] = {key: provenance[key] for key in _CONDITIONS if key in provenance}
    return found


def _portable(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the data, without its path on this machine."""
    kind, separator, folder = str(data["name"]).partition(":")
    found = {key: value for key, value in data.items() if key != "root"}
    return {**found, "name": kind + separator + Path(folder).name}
