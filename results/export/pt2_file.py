"""torch.export: a program that torch loads without the code it was made of."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...search_space.architecture import Architecture
from ...search_space.network import Network
from .base import ExportError, ModelFormat, Opened, first_line
from .header import read_header
from .program import bound_mixer, exported_program, quiet
from .proof import count_macs, count_parameters

_HEADER = "nas_explorer.json"
"""Name of the header inside the file."""


class Pt2File(ModelFormat):
    """One file, with the weights, for any batch size: ``torch.export.load(file).module()``.

    It holds the folded form of the network.
    """

    name = "torch.export"
    tolerance = 1e-4
    folded = True

    def refuses(self, architecture: Architecture) -> str | None:
        """Its mixers must not be bound to a resolution where any is wanted."""
        return bound_mixer(architecture) if self.any_resolution else None

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Trace the network and return the file's contents."""
        buffer = io.BytesIO()
        with quiet():
            torch.export.save(
                exported_program(network.folded(), self.any_resolution),
                buffer,
                extra_files={_HEADER: json.dumps(dict(header))},
            )
        return {"": buffer.getvalue()}

    def open(self, path: Path) -> Opened:
        """Load the program."""
        try:
            header = {_HEADER: ""}
            with quiet():
                module = torch.export.load(path, extra_files=header).module()
            size = read_header(json.loads(header[_HEADER])).input
        except Exception as error:  # of a zip file, of JSON, of torch
            raise ExportError(f"the program must load, but: {first_line(error)}") from error

        def run(images: Tensor) -> Tensor:
            try:
                return module(images)
            except Exception as error:
                raise ExportError(
                    f"the program must run on {len(images)} images, but: {first_line(error)}"
                ) from error

        return Opened(
            run=run,
            weights={},
            parameters=count_parameters(module),
            macs=count_macs(module, size),
        )
