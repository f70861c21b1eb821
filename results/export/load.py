"""Loading of networks and preparations from model files."""

from collections.abc import Mapping
from pathlib import Path

from ...evaluators.accuracy.data.preparation import Preparation
from ...search_space.architecture.network import Network
from ...search_space.errors import InputError
from .base import first_line
from .formats import FORMATS
from .header import read_facts, read_header
from .networks import trained_network
from .weights import read_weights


def load_model(path: str | Path) -> Network:
    """Return the network in a ``.safetensors`` file that ``export_model`` wrote.

    The network is in eval mode, on the CPU. Nothing in the file is executed.

    Raises:
        InputError: If the file is missing, cut off, damaged or not written by an export, or its
            weights do not fit its architecture.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"a model file to load must end in .safetensors, but got {str(path)!r}")
    weights, header = read_weights(path)
    try:
        return trained_network(read_header(header), weights)
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from error


def load_preparation(path: str | Path) -> Preparation:
    """Return the preparation of images stated in a file of ``export_model``.

    The file may have any format; nothing in it is executed.

    Raises:
        InputError: If the file is missing or not written by an export, or states no preparation.
    """
    path = Path(path)
    try:
        header = _header(path)
    except InputError:
        raise
    except Exception as error:  # from the readers of zip, JSON and protobuf
        raise InputError(
            f"a model file must be readable, but got {str(path)!r}: {first_line(error)}"
        ) from error
    found = Preparation.of(read_facts(header))
    if found is None:
        raise InputError(
            f"a model file must state how images are prepared, but {str(path)!r} does not"
        )
    return found


def _header(path: Path) -> Mapping[str, str]:
    """Return the header of a file."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise InputError(f"a model file must end in {', '.join(FORMATS)}, but got {str(path)!r}")
    return FORMATS[ending].load().read_header(path)
