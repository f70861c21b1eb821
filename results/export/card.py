"""Model cards: descriptions of a model file, as JSON and as Markdown."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch

from ...evaluators.base import Measurement, metric
from ...evaluators.metrics import MAIN_METRICS
from ...evaluators.targets import stated_target
from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from ..numbers import format_measurement, format_value
from .formats import MARK
from .header import VERSION
from .overwrite_guard import CARD_SIGN
from .proof import Proof


@dataclass(frozen=True, kw_only=True)
class CardContents:
    """The content of a model card."""

    architecture: Architecture
    """The architecture."""
    facts: Mapping[str, Any]
    """The metadata of the file."""
    proof: Proof
    """The comparison of the file with the network."""
    files: Mapping[str, str]
    """SHA-256 of each file, by name."""
    environment: Mapping[str, str]
    """Versions of the packages that wrote and checked the files, besides Python, torch and this
    one."""


def json_card(contents: CardContents) -> bytes:
    """Return the card as JSON: the architecture, the facts of the header and the proof."""
    architecture = contents.architecture
    content = {
        MARK: VERSION,
        "digest": architecture.digest,
        "summary": architecture.summary(),
        "metadata": dict(contents.facts),
        "proof": asdict(contents.proof),
        "sha256": dict(contents.files),
        "environment": _environment(contents),
        "architecture": architecture.canonical.to_json(),
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def model_card(contents: CardContents) -> bytes:
    """Return the card as Markdown: the network, its data, its scores and its origin.

    The form is that of Mitchell et al., Model Cards for Model Reporting, 2019, as far as a search
    knows the facts.
    """
    architecture, facts, proof = contents.architecture, contents.facts, contents.proof
    real = f"{proof.real} images of the data" if proof.real else "random images"
    training = _mapping(facts, "training")
    sections: list[tuple[str, Mapping[str, Any]]] = [
        (
            "Network",
            {
                "stages": architecture.outline(),
                "digest": architecture.digest,
                "input": "x".join(map(str, architecture.input)),
                _outputs_word(facts): architecture.classes,
            },
        ),
        (
            "Scores",
            _scores(facts) | {f"{_main_name(facts)} checked": facts.get("checked", "not stated")},
        ),
        ("Data", _mapping(facts, "data") | {"licence": facts.get("licence", "not stated")}),
        ("Images", _images(facts)),
        ("Training", {k: v for k, v in training.items() if k != "learning_curve"}),
        ("Search", _mapping(facts, "search")),
        (
            "File",
            {
                "format": proof.format,
                "bytes": proof.size,
                **{f"SHA-256 of {name}": each for name, each in contents.files.items()},
                "sizes of images": proof.sizes,
                "images in one pass": proof.batches,
                **recounted(facts, proof),
                "largest difference of a score": f"{proof.absolute:.3g}",
                "relative": f"{proof.relative:.3g}",
                **_agreement(facts, proof, real),
                **from_files(proof),
                "time of a pass": f"{proof.latency_ratio:.2g} times that of the network in torch",
            },
        ),
        *(() if proof.int8 is None else (("Int8", proof.int8.lines()),)),
        ("Environment", _environment(contents)),
    ]
    lines = [f"{CARD_SIGN}{VERSION} -->", f"# {architecture.outline()}"]
    for title, values in sections:
        lines += ["", f"## {title}", ""]
        lines += [f"- {key}: {_text(value)}" for key, value in values.items()] or ["- not stated"]
    return ("\n".join(lines) + "\n").encode()


def _main_name(facts: Mapping[str, Any]) -> str:
    """Return the name of the main metric of the kind of target that facts state."""
    return MAIN_METRICS[stated_target(_mapping(facts, "preparation"))].name


def _agreement(facts: Mapping[str, Any], proof: Proof, real: str) -> dict[str, str]:
    """Return how often the top class is the same; nothing for numbers and labels."""
    if stated_target(_mapping(facts, "preparation")) != "classes":
        return {}
    return {"same top class": f"{100 * proof.agreement:.1f} % of {real}"}


def _images(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preparation of images, with the names of the outputs under their own word."""
    found = _mapping(facts, "preparation")
    return {_outputs_word(facts) if k == "classes" else k: v for k, v in found.items()}


def _outputs_word(facts: Mapping[str, Any]) -> str:
    """Return the word for the outputs of the network."""
    target = stated_target(_mapping(facts, "preparation"))
    return {"classes": "classes", "regression": "numbers", "labels": "labels"}[target]


def _environment(contents: CardContents) -> dict[str, str]:
    return {
        "nas-explorer": version("nas-explorer"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **contents.environment,
    }


def recorded_count(facts: Mapping[str, Any], name: str, *, folded: bool) -> int | None:
    """Return a recorded count of the folded form, else of the training form, else None."""
    measured = _mapping(_mapping(facts, "measurements"), name)
    value = measured.get("value")
    return value if folded else measured.get("training_form", value)


def recounted(facts: Mapping[str, Any], proof: Proof) -> dict[str, str]:
    """Return lines with the recorded parameters and multiply-adds, and those counted in the
    file.
    """
    described: dict[str, str] = {}
    counts = (("parameters", "params", proof.parameters), ("multiply-adds", "macs", proof.macs))
    for what, name, counted in counts:
        recorded = recorded_count(facts, name, folded=proof.folded)
        trained = "" if recorded == recorded_count(facts, name, folded=True) else " as trained"
        texts = [] if recorded is None else [f"{recorded:,} recorded{trained}"]
        if counted is not None:
            texts.append(f"{counted:,} recounted in the file")
            if name == "macs" and proof.enlarged is not None:
                texts[-1] += f" for images of {proof.enlarged}"
            elif recorded not in (None, counted):
                texts[-1] += " (convolutions and matrix products alone)"
        elif name == "params" and proof.stored is not None:
            texts.append(
                f"{proof.stored:,} numbers stored (norms folded, tables too, equal tensors once)"
            )
        else:
            texts.append("not recounted: the file's operations have no formula here")
        described[what] = ", ".join(texts)
    return described


def from_files(proof: Proof) -> dict[str, str]:
    """Return the accuracy of a file on images, for each function that prepared them."""
    found = proof.files
    if found is None:
        return {}
    ways = {"as in the search": found.seen, "through prepare()": found.prepared}
    if found.timm is not None:
        ways["through timm's transform"] = found.timm
    shares = ", ".join(f"{format_value(found.metric, share)} {way}" for way, share in ways.items())
    return {
        f"{found.metric} from files": f"{shares} ({found.images} validation images; largest "
        f"difference of a pixel {found.difference:g} of 255)"
    }


def _mapping(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a fact that must be a mapping; an empty one otherwise."""
    value = facts.get(name, {})
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _scores(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line for each measurement, with unit and 95 % interval."""
    return {name: _score(name, each) for name, each in _mapping(facts, "measurements").items()}


def _score(name: str, given: Any) -> Any:
    if not isinstance(given, Mapping) or given.get("value") is None:
        return given
    missing = {"low": None, "high": None, "provenance": {}}
    try:
        found = Measurement.from_json({**missing, **given, "metric": name})
        tier = metric(name).tier
    except InputError:  # the metric is not known here
        return given
    unit = "" if found.unit == "1" else f" {found.unit}"
    if tier == "exact":
        return f"{found.value:,}{unit}"
    interval = "" if found.low is None else " (95 % interval)"
    conditions = "".join(f", {key} {each}" for key, each in _mapping(given, "conditions").items())
    return f"{format_measurement(found)}{interval}{conditions}"


def _text(value: Any) -> str:
    """Return a value on one line, so that foreign text cannot become a heading."""
    if isinstance(value, Mapping):
        value = ", ".join(
            f"{key} {'none' if each is None else each}" for key, each in value.items()
        )
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if value is None:
        value = "none"
    return " ".join(str(value).split())
