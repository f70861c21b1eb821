"""Export of an architecture as a model file, with the proof that it reproduces the network."""

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.errors import InputError
from .base import ExportError, ModelFormat, first_line
from .card import CardContents, json_card, model_card, recorded_count
from .file_proof import Originals
from .files import check_target, replacing
from .formats import FORMATS, check_int8
from .header import make_header
from .int8 import Int8Plan
from .networks import fresh_network, trained_network
from .overwrite_guard import targets
from .proof import Proof, prove


def export_model(
    architecture: Architecture,
    path: str | Path,
    *,
    weights: Mapping[str, Tensor] | None,
    metadata: Mapping[str, Any],
    seed: int,
    images: Tensor | None = None,
    originals: Originals | None = None,
    any_resolution: bool = False,
    batch: int | None = None,
    int8: Int8Plan | None = None,
) -> Proof:
    """Write a network as a model file; the ending decides the format.

    The file is read back and compared before it is moved to ``path``. An existing file is replaced
    only if an export wrote it, and is kept if the export fails. A model card is written beside the
    file; weights also get a ``.json`` file that describes their network.

    Args:
        architecture: The network.
        path: File ending in ``.safetensors``, ``.onnx`` (float32), ``.pt2`` (``torch.export``),
            ``.py`` (source, its weights in ``.py.safetensors`` beside it), or for a runtime in
            ``.xml`` (OpenVINO) or ``.param`` (ncnn), with ``.bin`` in place of this ending for the
            weights, ``.mnn``, ``.pte`` (ExecuTorch) or ``.tflite`` (LiteRT).
        weights: The network's state; None: initialised from ``seed``, which the metadata state.
        metadata: Facts to store in the file, as JSON values. ``training`` is the origin of the
            weights, ``measurements`` are the recorded ones by name (``value``, ``unit``, ``low``,
            ``high``), ``preparation`` is the preparation of images.
        seed: Seed of the weights if none are given.
        images: Images of the data, normalised, (N, C, H, W): the file is compared on them too.
        originals: Images of the data as files: the file must have the same accuracy on them.
        any_resolution: Whether the file takes images of any height and width. ``.onnx`` and
            ``.pt2`` files are otherwise bound to the architecture's size, those of runtimes always.
        batch: Images in one pass; None: any number (at most 256 for ``.pt2``, 1 for runtimes).
        int8: The data for a file in int8; None: a file in float32.

    Returns: The comparison of the file with the network.

    Raises:
        InputError: If the ending is unknown, the file cannot be written, it would replace a file
            that no export wrote, the format cannot hold the architecture, or the weights do not fit
            it.
        ExportError: If the file does not reproduce the network, or is broken in int8; no file is
            left.
    """
    path = Path(path)
    check_target(path)
    model_format = format_for(
        architecture, path, any_resolution=any_resolution, batch=batch, int8=int8
    )
    _check_given(architecture, metadata, images)
    if weights is None:
        network = fresh_network(architecture, seed)
        facts = {**metadata, "training": "untrained", "seed": seed}
    else:
        network = trained_network(architecture, weights)
        facts = {"training": "not stated", **metadata}
    header = make_header(architecture, facts)
    encoded = model_format.encode(network, header)
    place = FORMATS[path.suffix.lower()].file
    contents = {place(path, end): data for end, data in encoded.items()}
    with replacing(contents) as written:
        proof = prove(network, written, model_format, images, None if int8 else originals)
        if int8 is not None:
            proof = replace(proof, int8=model_format.report(written))
        if not header.items() <= _header_in(written, model_format).items():
            raise ExportError(
                f"a {path.suffix} file must store its header (architecture, metadata) unchanged"
            )
        recorded = recorded_count(facts, "params", folded=proof.folded)
        if None not in (recorded, proof.parameters) and recorded != proof.parameters:
            raise ExportError(
                f"the file must have the recorded {recorded:,} parameters, but has "
                f"{proof.parameters:,}"
            )
        texts = {".md": model_card, ".json": json_card}
        cards = [each for each in targets(path) if each.suffix in texts]
        contents = CardContents(
            architecture=architecture,
            facts=facts,
            proof=proof,
            files={each.name: sha256(data).hexdigest() for each, data in contents.items()},
            environment=model_format.environment(),
        )
        with replacing({card: texts[card.suffix](contents) for card in cards}):
            pass
    return proof


def _header_in(path: Path, model_format: ModelFormat) -> Mapping[str, str]:
    try:
        return model_format.read_header(path)
    except Exception as error:  # the reader may raise anything
        raise ExportError(
            f"the header of a model file must be readable: {first_line(error)}"
        ) from error


def format_for(
    architecture: Architecture,
    path: Path,
    *,
    any_resolution: bool = False,
    batch: int | None = None,
    int8: Int8Plan | None = None,
) -> ModelFormat:
    """Return the format for the ending of a path, which must be one of ``FORMATS``.

    Raises:
        InputError: If the format cannot hold the architecture, has no fixed batch, or no form in
            int8.
    """
    entry = FORMATS[path.suffix.lower()]
    if int8 is None:
        model_format = entry.load()(any_resolution=any_resolution, batch=batch)
    else:
        check_int8(path, True, int8.keep_worst, any_resolution=any_resolution)
        model_format = entry.load_int8()(int8, batch)
    if reason := model_format.why_not_exportable(architecture):
        raise InputError(reason)
    return model_format


def _check_given(
    architecture: Architecture, metadata: Mapping[str, Any], images: Tensor | None
) -> None:
    """Check metadata and images, before any slow work."""
    try:
        json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the metadata of a model file must be JSON values, but: {first_line(error)}"
        ) from error
    channels = architecture.input.channels
    if images is not None and (images.dim() != 4 or not len(images) or images.shape[1] != channels):
        raise InputError(
            f"images must be (N, {channels}, H, W) with N at least 1, but are {tuple(images.shape)}"
        )
