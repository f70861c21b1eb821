"""What the zoo says of a published network."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ..architecture import Architecture


def _number(text: str) -> int | None:
    return None if text == "-" else round(float(text[:-1]) * {"M": 10**6, "G": 10**9}[text[-1]])


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A published network and the figures that its source prints."""

    name: str
    """Name in its repository."""
    family: str
    """The family of networks it belongs to."""
    resolution: int
    """Side of its images in pixels."""
    printed: str = ""
    """Trainable parameters and multiply-adds of one image, as printed: ``26M 4.1G``, a dash
    where the source prints one of them only; none where it prints neither."""
    source: str
    """Where the figures are printed, else the sizes: repository and file."""
    note: str = ""
    """Why our count is not the printed one to its last digit, where it is not or there is none."""
    make: Callable[[], Architecture]
    """Makes the architecture."""

    @property
    def printed_params(self) -> int | None:
        """Trainable parameters, as printed; none where they are not."""
        return _number(self.printed.split()[0]) if self.printed else None

    @property
    def printed_macs(self) -> int | None:
        """Multiply-adds of one image, as printed; none where they are not."""
        return _number(self.printed.split()[1]) if self.printed else None

    @cached_property
    def architecture(self) -> Architecture:
        """The network as a value; made when first asked for."""
        return self.make()
