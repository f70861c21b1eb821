"""The format of torch.export: a program that torch loads without the network's source."""

import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...search_space.architecture.network import Network
from ...search_space.shapes import Shape
from .base import ExportError, ModelFormat, Opened, first_line
from .formats import MARK
from .header import read_header
from .program import exported_program, quiet
from .proof import count_macs, count_parameters

_HEADER = f"{MARK}.json"
"""Name of the header inside the file."""


class Pt2File(ModelFormat):
    """One file, with the weights, for any batch size: ``torch.export.load(file).module()``.

    The file holds the folded form of the network.
    """

    name = "torch.export"
    ending = ".pt2"
    tolerance = 1e-4
    folded = True

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Trace the network and return the file's contents."""
        buffer = io.BytesIO()
        program = exported_program(network.folded(), self.any_resolution)
        stated = dict(header)
        if self.any_resolution:
            stated["least_size"] = json.dumps(_least(program, network.architecture.input))
        with quiet():
            torch.export.save(program, buffer, extra_files={_HEADER: json.dumps(stated)})
        return {"": buffer.getvalue()}

    @classmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header, and the smallest image size if that is not the network's."""
        with zipfile.ZipFile(path) as file:
            inside = next(each for each in file.namelist() if each.endswith(f"/{_HEADER}"))
            return json.loads(file.read(inside))

    def open(self, path: Path) -> Opened:
        """Load the exported program."""
        try:
            with quiet():
                program = torch.export.load(path)
                module = program.module()
            stated = self.read_header(path)
            size = read_header(stated).input
            height, width = json.loads(stated.get("least_size", "[1, 1]"))
        except Exception as error:  # from the readers of zip, JSON and torch
            raise ExportError(f"the program must load, but: {first_line(error)}") from error

        def run(images: Tensor) -> Tensor:
            try:
                return module(images)
            except Exception as error:
                raise ExportError(
                    f"the program must run on {len(images)} images, but: {first_line(error)}"
                ) from error

        opened = Opened(
            run=run,
            weights={},
            parameters=count_parameters(module),
            macs=None,
            least=(height, width),
        )
        try:
            return replace(opened, macs=count_macs(module, opened.image(size)))
        except AssertionError as error:  # raised by a guard of the program
            raise ExportError(f"the program must run, but: {first_line(error)}") from error


def _least(program: torch.export.ExportedProgram, size: Shape) -> tuple[int, int]:
    """Return the smallest side of square images that a program accepts.

    It may be larger than the network's, since the exporter specialises maps of one pixel. The
    guards of the program are found by trial, beginning at its stated bounds.

    Args:
        program: A program for images of any size.
        size: Size of the network's own images.

    Raises:
        ExportError: If the program accepts no image of up to eight times that size.
    """
    [name] = program.graph_signature.user_inputs
    image = next(node for node in program.graph.nodes if node.name == name)
    ranges = program.range_constraints
    first = max(int(ranges[side.node.expr].lower) for side in image.meta["val"].shape[2:])
    module, last = program.module(), 8 * max(size[1:])
    for side in range(first, last + 1):
        with suppress(Exception), torch.no_grad():  # a program may raise anything at another size
            module(torch.zeros(1, size.channels, side, side))
            return side, side
    raise ExportError(
        f"the program must accept images of any size, but accepts none from {first}x{first} to "
        f"{last}x{last}"
    )
