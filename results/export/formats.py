"""The table of model file formats: ending, mark and class of each, without importing torch."""

import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...evaluators.units import read_whole
from ...search_space.errors import InputError
from ...search_space.plugins import add, load_installed, resolved
from .appended_header import MARK as MARK
from .appended_header import appended_header

if TYPE_CHECKING:
    from .base import ModelFormat
    from .int8 import Int8Plan

GROUP = "nas_explorer.formats"
"""Group of the entry points of formats."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """An entry of the table of formats."""

    place: "str | type[ModelFormat]"
    """The format's class, or its module in this package and its name."""
    is_marked: Callable[[Path], bool]
    """Function from a path to whether an export wrote the file; an error means no."""
    beside: tuple[str, ...] = ()
    """Suffixes, after the file's name, of the files written beside it."""
    paired: str = ""
    """Ending of a second file, which takes the place of the first one's; empty: none."""
    json_card: bool = False
    """Whether a JSON card is written beside the file."""
    runtime: str = ""
    """Runtime that must be installed to write the file and to check it; empty: none."""
    int8: str = ""
    """The module in this package and the name of the format's class in int8; empty: none."""

    def load(self) -> "type[ModelFormat]":
        """Return the format's class."""
        return resolved(self.place, __name__.rpartition(".")[0])

    def file(self, path: Path, end: str) -> Path:
        """Return the path of one of the files of ``path``.

        Args:
            path: The first file.
            end: A suffix after its name, or ``paired``.
        """
        return path.with_suffix(end) if end and end == self.paired else Path(f"{path}{end}")

    def load_int8(self) -> "Callable[[Int8Plan, int | None], ModelFormat]":
        """Return the class of the form in int8, made with the data and the batch."""
        return resolved(self.int8, __name__.rpartition(".")[0])


def _safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, path.stat().st_size)))
    return MARK in header.get("__metadata__", {})


def _onnx(path: Path) -> bool:
    # A metadata key in protobuf's encoding: the key's length before it, the value's tag after it.
    return b"\n" + bytes([len(MARK)]) + MARK.encode() + b"\x12" in path.read_bytes()


def _pt2(path: Path) -> bool:
    with zipfile.ZipFile(path) as file:
        return any(name.endswith(f"/{MARK}.json") for name in file.namelist())


def _python(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition('"""')
    head = rest.partition('"""')[0]
    return not before and ", written by nas-explorer\n(architecture " in head


def _openvino(path: Path) -> bool:
    return f"<{MARK}>".encode() in path.read_bytes()


def _appended(path: Path) -> bool:
    return MARK in appended_header(path)


FORMATS: dict[str, Format] = {
    ".safetensors": Format(
        place="safetensors_file:SafetensorsFile", is_marked=_safetensors, json_card=True
    ),
    ".onnx": Format(place="onnx_file:OnnxFile", is_marked=_onnx, int8="int8_onnx:Int8Onnx"),
    ".pt2": Format(place="pt2_file:Pt2File", is_marked=_pt2),
    ".py": Format(place="python_file:PythonFile", is_marked=_python, beside=(".safetensors",)),
    ".xml": Format(
        place="runtime_files:OpenVinoFile",
        is_marked=_openvino,
        paired=".bin",
        runtime="openvino",
        int8="int8_openvino:Int8OpenVino",
    ),
    ".mnn": Format(place="runtime_files:MnnFile", is_marked=_appended, runtime="mnn"),
    ".param": Format(
        place="runtime_files:NcnnFile", is_marked=_appended, paired=".bin", runtime="ncnn"
    ),
    ".pte": Format(place="runtime_files:ExecuTorchFile", is_marked=_appended, runtime="executorch"),
    ".tflite": Format(place="runtime_files:LiteRtFile", is_marked=_appended, runtime="litert"),
}
"""The formats by file ending; ``register_format`` adds to them."""


def check_int8(path: Path, int8: bool, keep_worst: object, *, any_resolution: bool = False) -> int:
    """Check that a file can be in int8, if it is to be; return how many parts stay float.

    Args:
        path: Path of the file.
        int8: Whether it is to be in int8.
        keep_worst: Number of parts, or its text.
        any_resolution: Whether it is to take images of any size.

    Raises:
        InputError: If the ending has no form in int8, the file is for images of any size, or parts
            are to stay float in a float file.
    """
    count = read_whole("int8_keep_worst", keep_worst, low=0, hint="parts")
    known = [name for name, each in FORMATS.items() if each.int8]
    if int8 and path.suffix.lower() not in known:
        raise InputError(
            f"a file in int8 must end in {' or '.join(known)}, but got {path.suffix.lower()!r}"
        )
    if int8 and any_resolution:
        raise InputError("a file in int8 must be for images of one size, but got any_resolution")
    if count and not int8:
        raise InputError(f"int8_keep_worst must come with int8, but got {count} without int8")
    return count


def installed() -> tuple[str, ...]:
    """Return the endings whose runtime, if they need one, is installed here."""
    from ...evaluators.runtime_table import RUNTIMES

    return tuple(
        ending
        for ending, each in FORMATS.items()
        if not (each.runtime and RUNTIMES[each.runtime].absent())
    )


def register_format(cls: "type[ModelFormat]") -> None:
    """Add a format to the table.

    Raises:
        InputError: If the ending is not valid, or is taken.
    """
    ending = getattr(cls, "ending", "")
    if not re.fullmatch(r"\.[a-z0-9_]+", ending) or ending in (".md", ".json"):
        raise InputError(
            f"the ending of a format must be like .onnx, and not that of a card (.md, .json), "
            f"but got {ending!r}"
        )
    entry = Format(
        place=cls,
        is_marked=lambda path: MARK in cls.read_header(path),
        beside=cls.beside,
        paired=cls.paired,
    )
    add(FORMATS, ending, entry, kind="format of model files", group=GROUP)


load_installed(GROUP, register_format)
