"""Graphs of parts on disk, for other processes and later runs.

Each is an ONNX file without weights. Its name is a digest of all that it depends on: the part with
the version of its code, the shapes of its inputs, and the versions of this package's and of torch's
exporters. A file that cannot be read or written is as none.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ...search_space.components.parts import Part
from ..cost.cache import cache_folder, cache_key, remove_old

if TYPE_CHECKING:
    from onnx import ModelProto

_LOG = logging.getLogger(__name__)
_FOLDER = "graphs"
_NOTES = "part"
"""Key of the notes of a file."""
_EXPORTERS = ("torch", "onnxscript", "onnx-ir", "onnx")
_CODE = ("exporter_tables", "graph_files", "onnx_graph", "part_graphs", "program")
"""Modules of this folder that a graph depends on."""


@dataclass(frozen=True, kw_only=True)
class PartGraph:
    """The graph of a part."""

    model: "ModelProto"
    """Nodes, shapes of values, constants that are no weights, and functions that nodes call."""
    inputs: tuple[str, ...]
    """Names of the inputs in the graph."""
    batches: tuple[str, ...]
    """Names of the values that are the number of images."""
    output: str
    """Name of the output in the graph."""
    weights: Mapping[str, str]
    """Names of the weights in the module by their names in the graph."""


class GraphFiles:
    """The graphs of parts in a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        """Set the folder; None: one in the folder of all caches."""
        self._folder = folder or cache_folder() / _FOLDER
        self._tidy = False

    def read(self, part: Part, shapes: Sequence[Sequence[int]], opset: int) -> PartGraph | None:
        """Return the graph of a part, if there is one."""
        path = self._path(part, shapes, opset)
        if path is None or not path.is_file():
            return None
        from onnx import load

        with suppress(Exception):  # whatever is in the file
            model = load(path)
            (noted,) = (each.value for each in model.metadata_props if each.key == _NOTES)
            inputs, batches, output, weights = json.loads(noted)
            return PartGraph(
                model=model,
                inputs=tuple(inputs),
                batches=tuple(batches),
                output=output,
                weights=weights,
            )
        return None

    def write(
        self, part: Part, shapes: Sequence[Sequence[int]], opset: int, graph: PartGraph
    ) -> None:
        """Keep the graph of a part."""
        path = self._path(part, shapes, opset)
        if path is None:
            return
        noted = [graph.inputs, graph.batches, graph.output, dict(graph.weights)]
        model = type(graph.model)()
        model.CopyFrom(graph.model)
        model.metadata_props.add(key=_NOTES, value=json.dumps(noted))
        try:
            if not self._tidy:
                self._folder.mkdir(parents=True, exist_ok=True)
                remove_old(self._folder, "*.onnx")
                self._tidy = True
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(model.SerializeToString())
            Path(file.name).replace(path)
        except OSError as error:
            _LOG.warning("a graph is not kept on disk: %s", error)

    def _path(self, part: Part, shapes: Sequence[Sequence[int]], opset: int) -> Path | None:
        """Return the file of a part; None if its code has no version."""
        key = cache_key(part.component, part.in_shapes, part.width)
        if key is None:
            return None
        text = json.dumps([key, [list(each) for each in shapes], opset, _versions()])
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.onnx"


@cache
def _versions() -> list[str]:
    """Return the versions of the exporters, and a digest of the code of this folder."""
    code = hashlib.sha256()
    for name in _CODE:
        code.update(Path(__file__).with_name(f"{name}.py").read_bytes().replace(b"\r\n", b"\n"))
    return [*map(version, _EXPORTERS), code.hexdigest()]
