"""From a model file to a network."""

from pathlib import Path

from ...search_space.errors import InputError
from ...search_space.network import Network
from .header import read_header
from .networks import trained_network
from .weights import read_weights


def load_model(path: str | Path) -> Network:
    """Return the network in a ``.safetensors`` file that ``export_model`` wrote.

    It is in eval mode, on the CPU. Nothing in the file is executed.

    Raises:
        InputError: If the file is missing, cut off, damaged or not one of ours, or its weights do
            not fit its architecture.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"a model file to load must end in .safetensors, but got {str(path)!r}")
    weights, header = read_weights(path)
    try:
        return trained_network(read_header(header), weights)
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from error
