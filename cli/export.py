"""``nas export``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Storage, StudyName, WorkError, storage_url
from .show import CandidateName, open_study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ..results.candidate import Candidate
    from ..results.export.proof import Proof
    from ..results.export.weights import WeightsFolder
    from ..results.settings import StudySettings
    from ..results.study import Study


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    candidate: CandidateName,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Its ending decides: .safetensors, .onnx, .pt2 or .py.",
        ),
    ],
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Export fresh weights, not the search's.")
    ] = False,
    any_resolution: Annotated[
        bool,
        typer.Option("--any-resolution", help="Let .onnx and .pt2 take images of any size."),
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option("--data-licence", metavar="TEXT", help="Licence of the data, for the card."),
    ] = None,
    study: StudyName = None,
    storage: Storage = None,
) -> None:
    """Write a candidate as a model file, checked against the network that was measured."""
    record = open_study(study, storage)
    found = record.find(candidate)
    proof = export_candidate(
        record,
        found,
        output,
        untrained=untrained,
        any_resolution=any_resolution,
        licence=licence,
        storage=storage,
    )
    beside = " with its weights beside it" if output.suffix.lower() == ".py" else ""
    print(f"Wrote {output}{beside} ({proof.size / 1e6:.2f} MB)")
    print(f"Candidate {found.number} of {record.name}: {found.architecture.outline()}")
    print("Weights: " + ("untrained" if untrained else "from the search's short schedule"))
    print(
        f"Checked on {proof.inputs} inputs: largest difference {proof.absolute:.3g} "
        f"(relative {proof.relative:.3g})"
    )
    where = f"{proof.real} images of the data" if proof.real else "random images: no data here"
    print(f"Top-1 agreement {100 * proof.agreement:.1f} % on {where}")
    print(f"Time of an image: {proof.latency_ratio:.2g} times the network's in torch")


def export_candidate(
    record: "Study",
    found: "Candidate",
    output: Path,
    *,
    untrained: bool = False,
    any_resolution: bool = False,
    licence: str | None = None,
    storage: str | None = None,
) -> "Proof":
    """Write a candidate as a model file; return how it compares with the network.

    Raises:
        WorkError: If it has no trained weights, or what was written does not reproduce it.
        InputError: If the file cannot be written there, or the format cannot hold the network.
    """
    from ..results.export import ExportError, export_model
    from ..results.export.weights import WeightsFolder
    from ..searchers.search import weights_folder

    folder = WeightsFolder(weights_folder(record.name, storage_url(storage)))
    weights, training = None, "untrained"
    if not untrained:
        weights, training = trained_weights(folder, found)
    settings = record.settings
    if isinstance(training, dict):
        training = {**training, "data": _portable(training["data"])}
    metadata = {
        "study": record.name,
        "candidate": found.number,
        "training": training,
        "measurements": {name: each.value for name, each in found.measurements.items()},
        "data": _portable(settings.data),
        "licence": licence or "not stated",
        "search": {
            "study": record.name,
            "candidate": found.number,
            "space": settings.space_name,
            "searcher": settings.searcher,
            "seed": settings.seed,
            "objectives": ", ".join(settings.objectives),
            "constraints": ", ".join(settings.constraints) or "none",
        },
    }
    try:
        return export_model(
            found.architecture,
            output,
            weights=weights,
            metadata=metadata,
            seed=settings.seed,
            images=real_images(settings),
            any_resolution=any_resolution,
        )
    except ExportError as error:
        raise WorkError(str(error)) from None


def _portable(data: "Mapping[str, Any]") -> dict[str, Any]:
    """Return what is said of the data, without where it lies on this machine."""
    kind, separator, folder = str(data["name"]).partition(":")
    told = {key: value for key, value in data.items() if key != "root"}
    return {**told, "name": kind + separator + Path(folder).name}


def real_images(settings: "StudySettings") -> "Tensor | None":
    """Return some normalised validation images of the study's data; none where it is not here."""
    import torch

    from ..evaluators.accuracy.data import DataSpec, load_search_data
    from ..search_space.errors import InputError
    from ..searchers.search import image_cache

    try:
        data = load_search_data(DataSpec.from_json(settings.data), cache=image_cache())
    except (InputError, OSError):
        return None
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (data.mean, data.std))
    return (data.validation_images[:64].float() - mean) / std


def trained_weights(
    folder: "WeightsFolder", candidate: "Candidate"
) -> "tuple[dict[str, Tensor], Any]":
    """Return the weights that the search kept of a candidate, and the training they come from.

    Raises:
        WorkError: If there are none, or they come from another training than the candidate's.
    """
    from ..results.export.weights import read_weights

    path = folder.path(candidate.architecture)
    if not path.exists():
        raise WorkError(
            f"the trained weights of candidate {candidate.number} must lie in {path}, but there "
            "are none; --untrained exports fresh ones"
        )
    weights, header = read_weights(path)
    training = json.loads(header["metadata"])
    accuracy = candidate.measurements.get("accuracy")
    if accuracy is None or training != json.loads(json.dumps(dict(accuracy.provenance))):
        raise WorkError(
            f"the weights in {path} must come from the training of candidate {candidate.number}, "
            "but come from another; --untrained exports fresh ones"
        )
    return weights, training
