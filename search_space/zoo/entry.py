"""The entry of a published network in the zoo."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ..architecture.architecture import Architecture


def _number(text: str) -> int | None:
    return None if text == "-" else round(float(text[:-1]) * {"M": 10**6, "G": 10**9}[text[-1]])


def rounded(count: str) -> str:
    """Return the note for a figure with so few printed digits that our count differs much."""
    return f"{count}, printed rounded"


def with_norms(count: str, what: str = "norms") -> str:
    """Return the note for a printed count that includes operations other than multiply-adds.

    Args:
        count: Our count with these operations: five per element of a layer norm and two per element
        of a batch norm, as in fvcore, and one per element of a bias.
        what: The operations included.
    """
    return f"the printed MACs hold the {what}: {count} with them"


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A published network and the figures that its source prints."""

    name: str
    """Name in its repository."""
    aliases: tuple[str, ...] = ()
    """Other names, such as the paper's, that differ in more than capitals and hyphens."""
    family: str
    """The family of networks."""
    resolution: int
    """Side of the images in pixels."""
    printed: str = ""
    """Trainable parameters and multiply-adds of one image as printed: ``26M 4.1G``; a dash for one
    that is not printed, empty where neither is."""
    source: str
    """Source of the figures, or else of the sizes: repository and file."""
    note: str = ""
    """Reason why our count differs from the printed one in the last digit or by more than 1 %, or
    why none is printed; empty if they agree."""
    make: Callable[[], Architecture]
    """The function that makes the architecture."""

    @property
    def printed_params(self) -> int | None:
        """Trainable parameters as printed, or None."""
        return _number(self.printed.split()[0]) if self.printed else None

    @property
    def printed_macs(self) -> int | None:
        """Multiply-adds of one image as printed, or None."""
        return _number(self.printed.split()[1]) if self.printed else None

    @cached_property
    def architecture(self) -> Architecture:
        """The network as a value, made at first access."""
        return self.make()
