"""What the zoo says of a published network."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ..architecture.architecture import Architecture


def _number(text: str) -> int | None:
    return None if text == "-" else round(float(text[:-1]) * {"M": 10**6, "G": 10**9}[text[-1]])


def rounded(count: str) -> str:
    """Return the note of a figure that is printed to so few digits that it is far from ours."""
    return f"{count}, printed rounded"


def with_norms(count: str, what: str = "norms") -> str:
    """Return the note of multiply-adds printed with what is no multiply-add.

    Args:
        count: How many they are with it, an element of a layer norm taken as five multiply-adds
            and one of a batch norm as two, as fvcore does, and one of a bias as one.
        what: What is in.
    """
    return f"the printed MACs hold the {what}: {count} with them"


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A published network and the figures that its source prints."""

    name: str
    """Name in its repository."""
    aliases: tuple[str, ...] = ()
    """Other names it goes by: its paper's, where that is more than other capitals and hyphens."""
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
    """Why our count is not the printed one to its last digit or is more than 1 % from it, where it
    is so or none is printed."""
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
