"""The format safetensors: weights with their architecture."""

from collections.abc import Mapping
from pathlib import Path

from ...search_space.architecture.network import Network
from ...search_space.errors import InputError
from .base import ExportError, ModelFormat, Opened
from .load import load_model
from .proof import count_macs, count_parameters
from .weights import encode_weights, read_weights


class SafetensorsFile(ModelFormat):
    """Weights, architecture and metadata in one file; ``load_model`` reads it."""

    name = "safetensors"
    ending = ".safetensors"
    tolerance = 0.0

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Return the contents of the file."""
        return {"": encode_weights(network.state_dict(), header)}

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header, after a check of the checksum."""
        return read_weights(path)[1]

    def open(self, path: Path) -> Opened:
        """Load the network."""
        try:
            network = load_model(path)
        except InputError as error:
            raise ExportError(str(error)) from error
        return Opened(
            run=network,
            weights=network.state_dict(),
            parameters=count_parameters(network),
            macs=count_macs(network, network.architecture.input),
        )
