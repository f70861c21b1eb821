"""From a model file to a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...search_space.errors import InputError
from ...search_space.network import Network
from .header import read_facts, read_header
from .networks import N, trained_network
from .weights import read_weights


def load_model(path: str | Path) -> Network:
    """Return the network in a ``.safetensors`` file that ``export_model`` wrote.

    It is in eval mode, on the CPU. Nothing in the file is executed.

    Raises:
        InputError: If the file is missing, cut off, damaged or not one of ours, or its weights do
            not fit its architecture.
    """
    return read_network(path, Network)[0]


def read_network(path: str | Path, kind: type[N]) -> tuple[N, Mapping[str, Any]]:
    """Return the network in a file as a module of ``kind``, and what the file tells of itself.

    Raises:
        InputError: As ``load_model``.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"a model file to load must end in .safetensors, but got {str(path)!r}")
    weights, header = read_weights(path)
    try:
        return trained_network(read_header(header), weights, kind), read_facts(header)
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from error
