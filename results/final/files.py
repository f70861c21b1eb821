"""The files of a full training: model, card, curve, and the result as JSON."""

import csv
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ...evaluators.accuracy.recipe import Recipe
from ...evaluators.metrics import MAIN_METRICS
from ...search_space.errors import InputError
from ..export.files import replacing
from ..export.formats import MARK
from ..export.header import make_header, read_facts, read_header
from ..export.weights import encode_weights, read_weights
from ..study.readings import Reading
from .card import card_text
from .curve import curve_page
from .split_scores import SplitScores
from .subject import Subject
from .trainings import Training

_RESULT = "result.json"
_NAMES = ("model.safetensors", "card.md", "curve.csv", "curve.html", _RESULT)
"""The files of a full training; the result is written last, so it says that the others are
there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """The content of the files."""

    run: str
    """Key of the run."""
    subject: Subject
    """Network and data."""
    recipe: Recipe
    """Recipe of the trainings."""
    device: str
    """Device of the trainings."""
    trainings: list[Training]
    """The trainings, one for each seed."""
    tests: list[SplitScores]
    """Scores of the trainings on the test split; empty if it was not read."""
    reading: Reading | None
    """The reading of the test split; None if it was not read."""
    readings_of_data: int
    """Number of readings of the data set's test split that the storage counts, for any study."""

    @property
    def chosen(self) -> int:
        """Number of the training with the best validation accuracy, then the smallest loss."""
        return min(self.trainings, key=_rank).number

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        subject, data = self.subject, self.subject.data
        tests = [each.to_json() for each in self.tests] or [None] * len(self.trainings)
        trainings = [
            {
                "seed": each.seed,
                "file": each.file.name,
                "epochs": len(each.curve),
                "kept_epoch": each.kept_epoch,
                "stopped_early": each.stopped_early,
                "validation": each.validation.to_json(),
                "test": test,
                "inheritance": each.inheritance,
                "curve": list(each.curve),
            }
            for each, test in zip(self.trainings, tests, strict=True)
        ]
        study, candidate = subject.study, subject.candidate
        main = MAIN_METRICS[data.target].name
        found = {
            MARK: "final 1",
            "run": self.run,
            "network": subject.label,
            "digest": subject.architecture.digest,
            "outline": subject.architecture.outline(),
            "architecture": subject.architecture.canonical.to_json(),
            "study": None if study is None else study.name,
            "search_score": None if candidate is None else candidate.value(main),
            "data": {
                "name": f"{data.spec.kind}:{Path(data.spec.path).name}"
                if data.spec.path
                else data.spec.name,
                "resolution": data.resolution,
                "channels": data.channels,
                "classes": list(data.classes),
                "training": len(data.train_labels),
                "validation": len(data.validation_labels),
                "fingerprint": data.fingerprint,
                "baseline": data.baseline,
                **({} if data.target == "classes" else {"target": data.target}),
            },
            "recipe": {**vars(self.recipe)},
            "device": self.device,
            "chosen_training": self.chosen,
            "chosen": trainings[self.chosen],
            "trainings": trainings,
            "test_reading": None if self.reading is None else self._reading(self.reading),
            "readings_of_data": self.readings_of_data,
            "environment": {
                "nas-explorer": version("nas-explorer"),
                "python": platform.python_version(),
                "torch": torch.__version__,
                "torchvision": version("torchvision"),
                "scikit-learn": version("scikit-learn"),
                "threads": torch.get_num_threads(),
            },
        }
        return json.loads(json.dumps(found, allow_nan=False))

    @staticmethod
    def _reading(reading: Reading) -> dict[str, Any]:
        scope = "study" if reading.scope.startswith("study ") else "data set"
        return {
            "number": reading.number,
            "of": scope,
            "when": reading.when,
            "asked_again": reading.asked,
        }


def _rank(training: Training) -> tuple[float, float, int]:
    metrics = training.validation.metrics
    loss = metrics["loss"].value if "loss" in metrics else 0.0
    return -training.validation.main.value, loss, training.number


def check_folder(folder: Path, *, key: str, run: str, test: bool) -> None:
    """Check that results can be written to a folder.

    Args:
        folder: The folder; it may be missing.
        key: Key of the run without the number of its trainings.
        run: Key of the run.
        test: Whether the run reads the test split.

    Raises:
        InputError: If it is a file, or holds files of something else, or scores of the test split
            that the run would replace with other ones or with none.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"output must be a folder, but got the file {str(folder)!r}")
    found = read_result(folder)
    if found is not None and found["test_reading"] is not None and found["run"] != run:
        same = found["run"].rpartition("-")[0] == key
        if not (same and test):
            raise InputError(
                f"scores of the test split must stay, but those of {found['network']} in "
                f"{str(folder)!r} would be replaced: give another folder with --output"
            )
    ours = found is not None or any(folder.glob("seed-*.safetensors"))
    for name in _NAMES:
        if (folder / name).exists() and not ours:
            raise InputError(
                f"output must be a new folder or one of nas finalize, but {str(folder / name)!r} "
                "is not"
            )


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return the result that a folder holds, or None."""
    try:
        found = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and MARK in found else None


def write_files(folder: Path, content: Content) -> dict[str, Any]:
    """Write model, card, curve and result; return the result.

    Raises:
        InputError: If a file cannot be written.
    """
    result = content.to_json()
    _write(folder, result)
    return result


def restore_files(folder: Path, result: Mapping[str, Any]) -> None:
    """Write the files of a finished run anew if one is missing.

    Raises:
        InputError: If the weights of its training are missing too, or a file cannot be written.
    """
    if not all((folder / name).exists() for name in _NAMES):
        _write(folder, result)


def _write(folder: Path, result: Mapping[str, Any]) -> None:
    weights, header = read_weights(folder / result["chosen"]["file"])
    facts = {
        **read_facts(header),
        "measurements": _measurements(result["chosen"]),
        "data": {key: value for key, value in result["data"].items() if key != "classes"},
        "test_reading": result["test_reading"],
    }
    contents = (
        encode_weights(weights, make_header(read_header(header), facts)),
        card_text(result).encode(),
        _curve_csv(result).encode(),
        curve_page(result).encode(),
        (json.dumps(result, indent=2) + "\n").encode(),
    )
    for name, data in zip(_NAMES, contents, strict=True):
        with replacing({folder / name: data}):
            pass


def _measurements(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the main metrics as a model file states them."""
    found: dict[str, Any] = {}
    for split, beginning in (("validation", ""), ("test", "test_")):
        if chosen[split] is not None:
            main = SplitScores.from_json(chosen[split]).main_name
            found[f"{beginning}{main}"] = chosen[split]["metrics"][main]
    return found


def _curve_csv(result: Mapping[str, Any]) -> str:
    """Return the learning curves, one line for each epoch of each training."""
    text = io.StringIO()
    names = list(result["trainings"][0]["curve"][0])
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["training", "epoch", *names, "kept"])
    for number, each in enumerate(result["trainings"]):
        for epoch, point in enumerate(each["curve"], 1):
            kept = int(epoch == each["kept_epoch"])
            writer.writerow([number, epoch, *(point[name] for name in names), kept])
    return text.getvalue()
