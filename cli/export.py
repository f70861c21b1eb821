"""``nas export``."""

import json
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .shared import Storage, StudyName, WorkError, shown, sigterm_interrupts, storage_url
from .show import CandidateName, open_study

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from ..evaluators.accuracy.data.dataset import SearchData
    from ..evaluators.accuracy.data.preparation import Preparation
    from ..evaluators.base import Measurement
    from ..results.candidate import Candidate
    from ..results.export.file_proof import Originals
    from ..results.export.proof import Proof
    from ..results.export.weights import WeightsFolder
    from ..results.study.settings import StudySettings
    from ..results.study.study import Study


_CONDITIONS = (
    "device_name",
    "device",
    "batch",
    "threads",
    "runtime",
    "dtype",
    "memory_layout",
    "torch",
)
"""What a card tells of a latency's provenance."""


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
    with _stopped_in_order():
        from ..results.export.files import check_target

        check_target(output)  # first: reading the study takes a second, and torch several
        record = open_study(study, storage)
        found = record.find(candidate)
        import torch

        torch.set_num_threads(1)  # several wait for each other where others work too
        proof, checks = export_candidate(
            record,
            found,
            output,
            untrained=untrained,
            any_resolution=any_resolution,
            licence=licence,
            storage=storage,
        )
    from ..results.export.overwrite_guard import targets

    print(f"Wrote {output} ({proof.size / 1e6:.2f} MB)")
    beside = output.with_name(f"{output.name}.safetensors")
    if output.suffix.lower() == ".py":
        print(f"Wrote {beside} ({beside.stat().st_size / 1e6:.2f} MB), its weights")
    card, *data = (each.name for each in targets(output) if each.suffix in (".md", ".json"))
    print(f"Wrote {card}, the model card" + "".join(f", and {each}, its data" for each in data))
    print(f"Candidate {found.number} of {record.name}: {found.architecture.outline()}")
    print("Weights: " + ("untrained" if untrained else "from the search's short schedule"))
    print(
        f"Checked on {proof.inputs} inputs: largest difference {proof.absolute:.3g} "
        f"(relative {proof.relative:.3g})"
    )
    where = f"{proof.real} images of the data" if proof.real else "random images"
    print(f"Top-1 agreement {100 * proof.agreement:.1f} % on {where}")
    for what, told in checks.items():
        print(f"{what.capitalize()}: {told}")
    print(f"Sizes of images: {proof.sizes}")
    print(f"Time of an image: {proof.latency_ratio:.2g} times the network's in torch")


@contextmanager
def _stopped_in_order() -> "Generator[None]":
    """Say in one line that what was under way is removed, at Ctrl-C and at SIGTERM."""
    try:
        with sigterm_interrupts():
            yield
    except KeyboardInterrupt:
        raise WorkError("interrupted; the model file was not written") from None


def export_candidate(
    record: "Study",
    found: "Candidate",
    output: Path,
    *,
    untrained: bool = False,
    any_resolution: bool = False,
    licence: str | None = None,
    storage: str | None = None,
) -> "tuple[Proof, dict[str, str]]":
    """Write a candidate as a model file; return how it compares with the network.

    Also how its accuracy, parameters and multiply-adds compare with the record, in words.

    Raises:
        WorkError: If it has no trained weights, or what was written does not reproduce it.
        InputError: If the file cannot be written there, or the format cannot hold the network.
    """
    from ..evaluators.units import write_bounds
    from ..results.export import ExportError, export_model
    from ..results.export.card import from_files, recounted
    from ..results.export.export import format_for
    from ..results.export.weights import WeightsFolder
    from ..searchers.run.search import weights_folder

    format_for(found.architecture, output, any_resolution=any_resolution)  # before it takes time
    folder = WeightsFolder(weights_folder(record.name, storage_url(storage)))
    weights, training = None, "untrained"
    if not untrained:
        weights, training = trained_weights(folder, found)
    settings = record.settings
    kept = kept_preparation(found, training)
    data, remark = study_data(settings, older=kept is None)
    checked = check_measured(found, weights, data, remark)
    prepared = kept or (None if data is None else data.preparation)
    if isinstance(training, dict):
        training = {**training, "data": _portable(training["data"])}
        training.pop("preparation", None)  # stands beside it, with the rules in words
    metadata = {
        "study": record.name,
        "candidate": found.number,
        "training": training,
        "measurements": {name: _told(each) for name, each in found.measurements.items()},
        "data": _portable(settings.data),
        "preparation": "not stated" if prepared is None else prepared.described(),
        "checked": checked,
        "licence": licence or "not stated",
        "search": {
            "study": record.name,
            "candidate": found.number,
            "space": settings.space_name,
            "searcher": settings.searcher,
            "seed": settings.seed,
            "objectives": ", ".join(settings.objectives),
            "constraints": write_bounds(", ".join(settings.constraints)) or "none",
        },
    }
    try:
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
        )
    except ExportError as error:
        raise WorkError(str(error)) from None
    return proof, {"accuracy": checked, **from_files(proof), **recounted(metadata, proof)}


def _told(measurement: "Measurement") -> dict[str, Any]:
    """Return a measurement for the file: value, unit, interval, on what it was timed."""
    told = measurement.to_json()
    provenance = told.pop("provenance")
    if "training_form" in provenance:
        told["training_form"] = provenance["training_form"]
    if measurement.metric == "latency":
        told["conditions"] = {key: provenance[key] for key in _CONDITIONS if key in provenance}
    return told


def _portable(data: "Mapping[str, Any]") -> dict[str, Any]:
    """Return what is said of the data, without where it lies on this machine."""
    kind, separator, folder = str(data["name"]).partition(":")
    told = {key: value for key, value in data.items() if key != "root"}
    return {**told, "name": kind + separator + Path(folder).name}


def study_data(
    settings: "StudySettings", *, older: bool = False
) -> "tuple[SearchData | None, str]":
    """Return the data that a study was searched on, and what there is to say of it.

    That is nothing where all is as it was. Where the data are not to be had there are none.

    Args:
        settings: Of the study.
        older: Whether images may have been scaled as older versions did.
    """
    from ..evaluators.accuracy.data.dataset import DataSpec, load_search_data
    from ..evaluators.accuracy.data.older import load_older_data
    from ..search_space.errors import InputError
    from ..searchers.run.search import image_cache

    try:
        spec = DataSpec.from_json(settings.data)
        data = load_search_data(spec, cache=image_cache())
    except (InputError, OSError) as error:
        return None, f"the data are not here ({error})"
    if data.fingerprint == settings.data_fingerprint:
        return data, ""
    if older:
        with suppress(Exception):  # whatever Pillow raises of a file that is not what it was
            data = load_older_data(spec)
        if data.fingerprint == settings.data_fingerprint:
            return data, "images were scaled as older versions did"
    return None, "the data have changed since the search"


def kept_preparation(found: "Candidate", training: Any) -> "Preparation | None":
    """Return how images are prepared as the training kept it, with the weights or in the record.

    None for candidates that were trained before it was kept.
    """
    from ..evaluators.accuracy.data.preparation import Preparation

    accuracy = found.measurements.get("accuracy")
    recorded = {} if accuracy is None else accuracy.provenance
    told = training if isinstance(training, Mapping) else {}
    return Preparation.of(told) or Preparation.of(recorded)


def originals(data: "SearchData", *, same_rules: bool) -> "Originals":
    """Return validation images as files, at most 1,000 and about a thousand megapixels."""
    import torch

    from ..evaluators.accuracy.data.originals import sample, validation_originals
    from ..results.export.file_proof import Originals

    places = sample(data, 1000, 1e9)
    indices = torch.tensor(places)
    return Originals(
        given=validation_originals(data, places),
        levels=data.validation_images[indices],
        labels=data.validation_labels[indices],
        preparation=data.preparation,
        same_rules=same_rules,
    )


def check_measured(
    found: "Candidate",
    weights: "dict[str, Tensor] | None",
    data: "SearchData | None",
    remark: str,
) -> str:
    """Compare a candidate's record with its network of today; return what came of the accuracy.

    Args:
        found: The candidate.
        weights: Its trained weights, if they are exported.
        data: The data of the search, where they are to be had.
        remark: Why they are not, or how they were prepared otherwise than today.

    Raises:
        WorkError: If the costs are not the recorded ones, or the accuracy of the kept weights on
            the validation split is outside the recorded interval.
    """
    import torch

    from ..evaluators.accuracy.training.scoring import Normalise, score
    from ..evaluators.cost.cost import architecture_cost
    from ..results.export.networks import trained_network

    cost = architecture_cost(found.architecture)
    for name, counted in (("params", cost.params), ("macs", cost.macs)):
        recorded = found.value(name)
        if recorded is not None and counted != recorded:
            raise WorkError(
                f"candidate {found.number} must have its recorded {recorded:,} {name}, "
                f"but has {counted:,} now"
            )
    accuracy = found.measurements.get("accuracy")
    if weights is None:
        return "that of the search's weights, which this file does not hold"
    if data is None or accuracy is None:
        return f"not checked again: {remark or 'none is recorded'}"
    network = trained_network(found.architecture, weights)
    normalise = Normalise(data, torch.device("cpu"))
    _, right = score(network, lambda images: network(normalise(images)), data, 64)
    again = right / len(data.validation_labels)
    low, high = accuracy.low or 0.0, accuracy.high or 1.0
    recorded, found_again = (shown("accuracy", each) for each in (accuracy.value, again))
    if not low <= again <= high:
        raise WorkError(
            f"the kept weights of candidate {found.number} must have its recorded accuracy, "
            f"{recorded}, but have {found_again}"
        )
    where = f"the validation split ({remark})" if remark else "the validation split"
    return f"{recorded} recorded, {found_again} again on {where}"


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
