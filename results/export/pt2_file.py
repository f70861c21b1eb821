"""The format of torch.export: a program that torch loads without the network's source."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...search_space.architecture.network import Network
from ...search_space.shapes import Shape
from .base import ExportError, ModelFormat, Opened, first_line, in_batches
from .formats import MARK
from .header import read_header
from .program import exported_program, quiet, untraceable
from .proof import count_macs, count_parameters

_HEADER = f"{MARK}.json"
"""Name of the header inside the file."""
_OF_THE_TRACE = ("stack_trace", "from_node", "custom")
"""Keys of a node that hold places in source files."""


class Pt2File(ModelFormat):
    """One file, with the weights: ``torch.export.load(file).module()``.

    The file holds the folded form of the network in the operators of core ATen, without the paths
    and images of the trace.
    """

    name = "torch.export"
    ending = ".pt2"
    tolerance = 1e-4
    folded = True
    fixes_batch = True

    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Trace the network and return the file's contents."""
        buffer = io.BytesIO()
        program = _core(exported_program(network.folded(), self.any_resolution, self.batch))
        stated = dict(header)
        if self.any_resolution:
            stated["least_size"] = json.dumps(
                _least(program, network.architecture.input, self.batch or 1)
            )
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
            least, most = _batch_bounds(program)
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

        batch = most if least == most else None
        opened = Opened(
            run=in_batches(run, batch),
            weights={},
            parameters=count_parameters(module),
            macs=None,
            least=(height, width),
            batch=batch,
            most=most,
        )
        try:
            return replace(opened, macs=count_macs(module, opened.image(size), batch or 1))
        except AssertionError as error:  # raised by a guard of the program
            raise ExportError(f"the program must run, but: {first_line(error)}") from error


def _core(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Return a program in the operators of core ATen, which other converters take, without what is
    left of the trace: its images, and the places in source files of this machine.

    Raises:
        ExportError: If an operator cannot be decomposed.
    """
    try:
        with quiet():
            core = program.run_decompositions()
    except Exception as error:  # the exporter may raise anything
        raise untraceable(error) from error
    core.example_inputs = None
    for module in core.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for key in _OF_THE_TRACE:
                    node.meta.pop(key, None)
    return core


def _shape(program: torch.export.ExportedProgram) -> Sequence[Any]:
    """Return the shape of a program's images: a number, or a symbol where it is free."""
    [name] = program.graph_signature.user_inputs
    return next(node for node in program.graph.nodes if node.name == name).meta["val"].shape


def _batch_bounds(program: torch.export.ExportedProgram) -> tuple[int, int]:
    """Return the least and the largest number of images in one pass of a program."""
    images = _shape(program)[0]
    if isinstance(images, int):
        return images, images
    bounds = program.range_constraints[images.node.expr]
    return int(bounds.lower), int(bounds.upper)


def _least(program: torch.export.ExportedProgram, size: Shape, batch: int) -> tuple[int, int]:
    """Return the smallest side of square images that a program accepts.

    It may be larger than the network's, since the exporter specialises maps of one pixel. The
    guards of the program are found by trial, beginning at its stated bounds.

    Args:
        program: A program for images of any size.
        size: Size of the network's own images.
        batch: Images in one pass.

    Raises:
        ExportError: If the program accepts no image of up to eight times that size.
    """
    ranges = program.range_constraints
    first = max(int(ranges[side.node.expr].lower) for side in _shape(program)[2:])
    module, last = program.module(), 8 * max(size[1:])
    for side in range(first, last + 1):
        with suppress(Exception), torch.no_grad():  # a program may raise anything at another size
            module(torch.zeros(batch, size.channels, side, side))
            return side, side
    raise ExportError(
        f"the program must accept images of any size, but accepts none from {first}x{first} to "
        f"{last}x{last}"
    )
