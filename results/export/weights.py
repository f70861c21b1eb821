"""Weights in safetensors files: their content is never executed, and damage is detected."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.components.sharing import shared_names
from ...search_space.errors import InputError
from .base import first_line
from .files import replacing
from .formats import MARK
from .header import make_header

_log = logging.getLogger(__name__)

CHECKSUM = "sha256"
"""Header key of the checksum, which covers the rest of the header and the weights."""

SHARED = "shared"
"""Header key of shared tensors: JSON, from further names to the name in the file."""

_OF_WEIGHTS = "weights_sha256"
"""Header key of older files, whose checksum covers the weights alone."""


def checksum(weights: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """Return SHA-256, 64 hexadecimal digits.

    The digest covers the header, and names, types, shapes and values of the weights.
    """
    state = hashlib.sha256()
    if header:
        state.update(json.dumps(dict(header), sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        state.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        state.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def encode_weights(weights: Mapping[str, Tensor], header: Mapping[str, str]) -> bytes:
    """Return the contents of a safetensors file: tensors, shared ones once, header, checksum."""
    shared = shared_names(weights)
    # Copies, since the format rejects shared memory and the channels-last layout.
    own = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
        if name not in shared
    }
    stated = {"format": "pt", **header, **({SHARED: json.dumps(shared)} if shared else {})}
    return save(own, {**stated, CHECKSUM: checksum(own, stated)})


def save_weights(path: Path, weights: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write weights to ``path`` atomically.

    Args:
        path: A file in an existing folder; an existing file is replaced.
        weights: Tensors by name, on any device; a shared tensor is written once.
        header: Texts that ``read_weights`` returns; see ``make_header``.

    Raises:
        InputError: If the file cannot be written.
    """
    with replacing({path: encode_weights(weights, header)}):
        pass


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the weights, on the CPU, and the header that ``save_weights`` wrote.

    Raises:
        InputError: If the file is missing, cut off, damaged or of another kind, or its checksum is
            wrong.
    """
    rule = f"a file of weights must be a whole safetensors file, but got {str(path)!r}"
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"{rule}: {reason}") from error
    rest = {key: text for key, text in header.items() if key != CHECKSUM}
    if CHECKSUM in header:
        whole = header[CHECKSUM] == checksum(weights, rest)
    elif header.get(MARK) == "1" and _OF_WEIGHTS in header:
        whole = header[_OF_WEIGHTS] == checksum(weights, {})
    else:
        raise InputError(f"{rule}: it lacks the checksum of nas-explorer")
    if not whole:
        raise InputError(f"{rule}: its checksum is wrong")
    return {**weights, **_under_other_names(weights, header, rule)}, header


def _under_other_names(
    weights: Mapping[str, Tensor], header: Mapping[str, str], rule: str
) -> dict[str, Tensor]:
    """Return the shared tensors under those names that the file lacks."""
    try:
        names = json.loads(header.get(SHARED, "{}"))
        return {name: weights[first] for name, first in names.items() if name not in weights}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{rule}: it does not state which tensors are shared") from error


def compressed_weights(folder: Path) -> Path:
    """Return the folder of the weights of compressed candidates of a study."""
    return folder / "compressed"


class WeightsFolder:
    """A folder of the trained weights of a study's candidates: one file each, named by digest.

    Those of compressed candidates lie in a folder inside, since a search may train the same network
    from scratch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, architecture: Architecture, *, compressed: bool = False) -> Path:
        """Return the file of the weights of ``architecture``, which ``load_model`` reads too."""
        folder = compressed_weights(self._folder) if compressed else self._folder
        return folder / f"{architecture.digest}.safetensors"

    def keep(
        self,
        architecture: Architecture,
        weights: Mapping[str, Tensor],
        metadata: Mapping[str, Any],
    ) -> None:
        """Write the weights; a failure is logged and ignored.

        Args:
            architecture: The architecture.
            weights: The network's state.
            metadata: Origin of the training, as JSON values.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save_weights(self.path(architecture), weights, make_header(architecture, metadata))
        except (InputError, OSError) as error:  # the measurement is valid without stored weights
            _log.warning("the weights of %s are not stored: %s", architecture.digest[:12], error)

    def read(self, architecture: Architecture) -> dict[str, Tensor] | None:
        """Return the weights, or None if there are none.

        Raises:
            InputError: If the file cannot be read.
        """
        path = self.path(architecture)
        return read_weights(path)[0] if path.exists() else None
