"""From an architecture to a model file, with the proof that it reproduces the network."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from ...search_space.architecture import Architecture
from ...search_space.errors import InputError, unknown_name
from .base import ModelFormat
from .files import check_place, replacing
from .header import MARK, VERSION, make_header
from .networks import fresh_network, put_weights
from .onnx_file import OnnxFile
from .proof import Proof, prove
from .safetensors_file import SafetensorsFile

FORMATS: Mapping[str, ModelFormat] = {".safetensors": SafetensorsFile(), ".onnx": OnnxFile()}
"""The formats, by the ending of the file."""


def export_model(
    architecture: Architecture,
    path: str | Path,
    *,
    weights: Mapping[str, Tensor] | None,
    metadata: Mapping[str, Any],
    seed: int,
) -> Proof:
    """Write a network as a model file; the ending decides the format.

    The file is read back and compared before it takes its place; a file already there is
    replaced, and stays as it is where something fails.

    Args:
        architecture: The network.
        path: File ending in ``.safetensors`` (beside which a ``.json`` file is written) or
            ``.onnx`` (float32, any batch size).
        weights: The network's state; none: initialised from ``seed``, and the file says so.
        metadata: What the file tells of itself: JSON values only. ``training`` says where the
            weights come from.
        seed: Seed of the weights where none are given.

    Returns:
        How the file compares with the network.

    Raises:
        InputError: If the ending is unknown, the file cannot be written there, the format cannot
            hold the architecture, or the weights do not fit it.
        ExportError: If what was written does not reproduce the network; no file is left.
    """
    path = Path(path)
    model_format = _format(path)
    card = path.with_suffix(".json") if model_format.card else None
    _check(architecture, path, model_format, card)
    network = fresh_network(architecture, seed)
    if weights is None:
        facts = {**metadata, "training": "untrained", "seed": seed}
    else:
        put_weights(network, weights)
        facts = {"training": "not stated", **metadata}
    data = model_format.encode(network, make_header(architecture, facts))
    with replacing(path, data) as written:
        proof = prove(network, written, model_format)
        with nullcontext() if card is None else replacing(card, _card(architecture, facts, proof)):
            pass
    return proof


def _format(path: Path) -> ModelFormat:
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise unknown_name("the ending of a model file", ending, FORMATS)
    return FORMATS[ending]


def _check(
    architecture: Architecture, path: Path, model_format: ModelFormat, card: Path | None
) -> None:
    """Refuse what cannot be done, before anything takes time."""
    check_place(path)
    if reason := model_format.refuses(architecture):
        raise InputError(reason)
    if card is not None and card.exists() and not _is_card(card):
        raise InputError(
            f"the .json file beside a model file must be one of ours to be replaced, but "
            f"{str(card)!r} is not"
        )


def _card(architecture: Architecture, facts: Mapping[str, Any], proof: Proof) -> bytes:
    """Return what the header says, and the proof, as JSON for people."""
    content = {
        MARK: VERSION,
        "digest": architecture.digest,
        "summary": architecture.summary(),
        "metadata": dict(facts),
        "proof": asdict(proof),
        "architecture": architecture.canonical.to_json(),
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _is_card(path: Path) -> bool:
    try:
        return MARK in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False
