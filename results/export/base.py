"""What a format of model files must do: write a network, and read it back to be compared."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from ...search_space.architecture import Architecture
from ...search_space.network import Network


class ExportError(Exception):
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
    """Trainable parameters counted in the file; none where the file does not tell them apart."""
    macs: int | None
    """Multiply-adds of convolutions and matrix products for one image, counted in the file; none
    where it holds no graph, or an operation that is not counted."""


class ModelFormat(ABC):
    """A format of model files."""

    name: ClassVar[str]
    """The name in proofs."""
    tolerance: ClassVar[float]
    """Largest difference of a score allowed, over the largest score; 0 for equal bits."""
    folded: ClassVar[bool] = False
    """Whether it holds the form that is run, not the one that is trained."""
    beside: ClassVar[str | None] = None
    """What is put after its name to name a second file that belongs to it; none: it is one."""

    def __init__(self, *, any_resolution: bool = False) -> None:
        """Choose the size of the images.

        Args:
            any_resolution: Whether the file takes images of any height and width; for formats
                that hold a traced program.
        """
        self.any_resolution = any_resolution

    def refuses(self, architecture: Architecture) -> str | None:
        """Return why it cannot hold ``architecture`` (the rule, then the values), or none."""
        return None

    @abstractmethod
    def encode(self, network: Network, header: Mapping[str, str]) -> bytes:
        """Return the file's contents: the network as it is in eval mode, and the header.

        Raises:
            ExportError: If the network cannot be written.
        """

    def encode_beside(self, network: Network, header: Mapping[str, str]) -> bytes:
        """Return the contents of the file beside it, for formats that have one."""
        raise NotImplementedError

    @abstractmethod
    def open(self, path: Path) -> Opened:
        """Read a file back.

        Raises:
            ExportError: If it is not valid.
        """
