"""What a format of model files must do: write a network, and read it back to be compared."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.base import bound_inside, first_inside
from ...search_space.errors import WorkError
from ...search_space.shapes import Shape


class ExportError(WorkError):
    """The network could not be written so that the file reproduces it: one line, with figures."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A model file, read back in its own runtime."""

    run: Callable[[Tensor], Tensor]
    """Maps images (B, C, H, W) to scores (B, K), both float32 on the CPU; B is 1 or more."""
    weights: Mapping[str, Tensor]
    """Tensors that must equal the network's to the bit; none where the format changes them."""
    parameters: int | None
    """Trainable parameters counted in the file; None where the file does not tell them apart."""
    stored: int | None = None
    """Numbers in the file's tensors, where it does not tell parameters apart."""
    macs: int | None
    """Multiply-adds of convolutions and matrix products for one image, counted in the file; None
    where it holds an operation that is not counted."""
    prepare: Callable[[Sequence[Any]], Tensor] | None = None
    """The file's own function that makes what ``run`` takes of image files, where it has one."""
    least: tuple[int, int] = (1, 1)
    """Least height and width of the images, where the format has a bound beside the network's."""

    def image(self, size: Shape) -> Shape:
        """Return ``size``, or its least multiple that the file takes; ``macs`` are of it."""
        factor = max(-(-least // side) for least, side in zip(self.least, size[1:], strict=True))
        return size._replace(height=factor * size.height, width=factor * size.width)


class ModelFormat(ABC):
    """A format of model files."""

    name: ClassVar[str]
    """The name in proofs."""
    ending: ClassVar[str]
    """How the name of a file ends, with the dot."""
    beside: ClassVar[tuple[str, ...]] = ()
    """What is put after the file's name, for each file that belongs beside it."""
    tolerance: ClassVar[float]
    """Largest difference of a score allowed, over the largest score; 0 for equal bits."""
    folded: ClassVar[bool] = False
    """Whether it holds the form that is run, not the one that is trained."""

    def __init__(self, *, any_resolution: bool = False) -> None:
        """Choose the size of the images.

        Args:
            any_resolution: Whether the file must take images of any height and width.
        """
        self.any_resolution = any_resolution

    def why_not_exportable(self, architecture: Architecture) -> str | None:
        """Return why it cannot hold ``architecture`` (the rule, then the values), or None.

        Where any resolution is wanted, no component may be bound to one.
        """
        if not self.any_resolution:
            return None
        for part in architecture.parts():
            if bound := bound_inside(part.component):
                return (
                    f"a {bound.kind} must have weights for maps of any size, but those of "
                    f"{bound.name} are for one; nas search --any-resolution keeps it out"
                )
            tied = first_inside(part.component, lambda each: not each.any_size_program())
            if self.folded and tied:
                return (
                    f"a {tied.kind} must be traceable for maps of any size, but {tied.name} is "
                    f"not: .safetensors and .py take them; nas search --any-resolution keeps it out"
                )
        return None

    def environment(self) -> dict[str, str]:
        """Return what a file is written and checked with, beside torch: name to version."""
        return {}

    @abstractmethod
    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Return the file's contents: the network as it is in eval mode, and the header.

        They stand under an empty name; those of a file beside it, where the format has one, under
        what is put after the file's name.

        Raises:
            ExportError: If the network cannot be written.
        """

    @classmethod
    @abstractmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header that ``encode`` was given, from a file; nothing in it is executed.

        Raises:
            Exception: Whatever, if the file is of another kind.
        """

    @abstractmethod
    def open(self, path: Path) -> Opened:
        """Read a file back.

        Raises:
            ExportError: If it is not valid.
        """
