"""``nas export``."""

from pathlib import Path
from typing import Annotated

import typer

from .shared import Storage, StudyName, WorkError
from .show import CandidateName, open_study


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    candidate: CandidateName,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Its ending decides: .safetensors or .onnx."
        ),
    ],
    study: StudyName = None,
    storage: Storage = None,
) -> None:
    """Write a candidate as a model file, checked against the network that was measured."""
    from ..results.export import ExportError, export_model
    from ..results.export.weights import WeightsFolder
    from ..searchers.search import weights_folder

    record = open_study(study, storage)
    found = record.find(candidate)
    weights = WeightsFolder(weights_folder(record.name)).read(found.architecture)
    accuracy = found.measurements.get("accuracy")
    metadata = {
        "study": record.name,
        "candidate": found.number,
        "training": dict(accuracy.provenance) if weights and accuracy else "untrained",
        "measurements": {name: each.value for name, each in found.measurements.items()},
    }
    try:
        proof = export_model(
            found.architecture,
            output,
            weights=weights,
            metadata=metadata,
            seed=record.settings.seed,
        )
    except ExportError as error:
        raise WorkError(str(error)) from None
    print(f"Wrote {output} ({proof.size / 1e6:.2f} MB), candidate {found.number} of {record.name}")
    print("Weights: " + ("from the search's short schedule" if weights else "untrained"))
    print(
        f"Checked on {proof.inputs} inputs: largest difference {proof.absolute:.3g} "
        f"(relative {proof.relative:.3g}), top-1 agreement {100 * proof.agreement:.1f} %"
    )
