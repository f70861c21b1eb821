"""The entry of a published network in the zoo."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

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


def all_with_norms(counts: Mapping[str, str]) -> dict[str, str]:
    """Return the notes ``with_norms``, by name of the network."""
    return {name: with_norms(count) for name, count in counts.items()}


TIMM = "huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
"""Source of the figures of timm's networks."""


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A published network and the figures that its source prints."""

    name: str
    """Name in its repository."""
    aliases: tuple[str, ...] = ()
    """Other names, such as the paper's, that differ in more than capitals and hyphens."""
    family: str
    """The family of networks."""
    printed: str = ""
    """Trainable parameters and multiply-adds of one image as printed: ``26M 4.1G``; a dash for one
    that is not printed, empty if neither is."""
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

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.architecture.input.height

    @cached_property
    def architecture(self) -> Architecture:
        """The network as a value, made at first access."""
        return self.make()


def entries_of(
    family: str,
    make: Callable[..., Architecture],
    rows: Mapping[str, tuple[Any, ...]],
    *,
    source: str | None = None,
    notes: Mapping[str, str] = MappingProxyType({}),
    alias: Callable[[str], str] | None = None,
) -> Iterator[ZooEntry]:
    """Yield the networks of a table.

    Args:
        family: The family of networks.
        make: The function that makes an architecture.
        rows: By name, the arguments of ``make``, the printed figures, and the source if there is no
        ``source``.
        source: Source of all figures.
        notes: Notes, by name.
        alias: The function from a name to another one, or to an empty text.
    """
    for name, row in rows.items():
        *arguments, printed, where = row if source is None else (*row, source)
        yield ZooEntry(
            name=name,
            aliases=tuple(filter(None, [alias(name)])) if alias else (),
            family=family,
            printed=printed,
            source=where,
            note=notes.get(name, ""),
            make=partial(make, *arguments),
        )
