"""Model file formats (base class), and files that are read back for comparison."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from ...evaluators.runtimes.program import ExportError as ExportError
from ...evaluators.runtimes.program import first_line as first_line
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.components.base import bound_inside, first_inside
from ...search_space.errors import InputError
from ...search_space.shapes import Shape

if TYPE_CHECKING:
    from .int8 import Int8Report


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A model file, read back in its own runtime."""

    run: Callable[[Tensor], Tensor]
    """Function from images (B, C, H, W) to scores (B, K), both float32 on the CPU; B is 1 or
    more."""
    weights: Mapping[str, Tensor]
    """Tensors that must equal the network's bit by bit; empty if the format changes them."""
    parameters: int | None
    """Trainable parameters counted in the file; None if the file does not mark them."""
    stored: int | None = None
    """Number of elements in the file's tensors, if the file does not mark parameters."""
    macs: int | None
    """Multiply-adds of convolutions and matrix products for one image, counted in the file; None if
    the file holds an operation without a formula."""
    prepare: Callable[[Sequence[Any]], Tensor] | None = None
    """The file's own function from image files to the input of ``run``, or None."""
    least: tuple[int, int] = (1, 1)
    """Smallest height and width of images, if the format has a bound of its own."""
    batch: int | None = None
    """Images in one pass, if the file takes no other number; ``run`` takes any."""
    most: int | None = None
    """Largest number of images in one pass, if it has a bound."""
    pass_ms: Callable[[Tensor], float] | None = None
    """Function from images to the time of one pass, ms, for files that another process runs."""

    def image(self, size: Shape) -> Shape:
        """Return ``size`` or its smallest multiple that the file accepts, the size of ``macs``."""
        factor = max(-(-least // side) for least, side in zip(self.least, size[1:], strict=True))
        return size._replace(height=factor * size.height, width=factor * size.width)


def in_batches(run: Callable[[Tensor], Tensor], batch: int | None) -> Callable[[Tensor], Tensor]:
    """Return ``run`` for any number of images, if it takes ``batch`` images alone.

    The last batch is filled up with its last image, whose further scores are dropped.
    """
    if batch is None:
        return run

    def run_all(images: Tensor) -> Tensor:
        missing = -len(images) % batch
        filled = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])
        return torch.cat([run(each) for each in filled.split(batch)])[: len(images)]

    return run_all


class ModelFormat(ABC):
    """A format of model files."""

    name: ClassVar[str]
    """Name of the format in proofs."""
    ending: ClassVar[str]
    """Ending of the file's name, with the dot."""
    beside: ClassVar[tuple[str, ...]] = ()
    """Suffixes, after the file's name, of the files written beside it."""
    paired: ClassVar[str] = ""
    """Ending of a second file, which takes the place of the first one's: ``.bin``; empty: none."""
    tolerance: ClassVar[float]
    """Largest difference of scores, relative to the largest score; 0 for equal bits."""
    folded: ClassVar[bool] = False
    """Whether the file holds the folded form instead of the training form."""
    fixes_batch: ClassVar[bool] = False
    """Whether a file can be bound to one number of images."""

    def __init__(self, *, any_resolution: bool = False, batch: int | None = None) -> None:
        """Choose whether the file is bound to one image size, and to one batch.

        Args:
            any_resolution: Whether the file must take images of any height and width.
            batch: Images in one pass; None: any number, or the format's own.

        Raises:
            InputError: If the batch is below 1, or the format cannot be bound to one.
        """
        if batch is not None and batch < 1:
            raise InputError(f"batch must be at least 1, but got {batch}")
        if batch is not None and not self.fixes_batch:
            raise InputError(
                f"a {self.ending} file takes any number of images, but got batch {batch}"
            )
        self.any_resolution = any_resolution
        self.batch = batch

    def why_not_exportable(self, architecture: Architecture) -> str | None:
        """Return why the format cannot hold ``architecture`` (the rule, then the values), or None.

        With ``any_resolution``, no component may be bound to one resolution.
        """
        if not self.any_resolution:
            return None
        for part in architecture.parts():
            if bound := bound_inside(part.component):
                return (
                    f"a {bound.kind} must have weights for maps of any size, but those of "
                    f"{bound.name} fit one size; nas search --any-resolution leaves it out"
                )
            tied = first_inside(part.component, lambda each: each.one_size_program())
            if self.folded and tied:
                return (
                    f"a {tied.kind} must be traceable for maps of any size, but {tied.name} is "
                    "not; .safetensors and .py are possible; nas search --any-resolution leaves it "
                    "out"
                )
        return None

    def environment(self) -> dict[str, str]:
        """Return the versions of packages besides torch that write and check a file."""
        return {}

    def report(self, path: Path) -> "Int8Report":
        """Return what a file costs the network that was encoded last; of forms in int8 alone.

        Args:
            path: The written file.

        Raises:
            ExportError: If the file differs from the quantised network, or that is broken.
        """
        raise NotImplementedError

    @abstractmethod
    def encode(self, network: Network, header: Mapping[str, str]) -> Mapping[str, bytes]:
        """Return the contents of the files, which hold the network in eval mode and the header.

        The key is the suffix after the file's name: empty for the file itself, one of ``beside``
        for others, and ``paired``.

        Raises:
            ExportError: If the network cannot be written.
        """

    @classmethod
    @abstractmethod
    def read_header(cls, path: Path) -> Mapping[str, str]:
        """Return the header in a file that ``encode`` made; nothing in the file is executed.

        Raises:
            Exception: Of any kind, if the file has another format.
        """

    @abstractmethod
    def open(self, path: Path) -> Opened:
        """Read a file back.

        Raises:
            ExportError: If the file is not valid.
        """
