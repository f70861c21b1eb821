"""The domains of one stage, and the patterns that vary the mixer inside it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from ..components.base import Component
from ..domains import Choice, Domain
from .slots import Slot

PATTERNS = ("uniform", "alternate", "last")
"""How the mixer varies inside a stage: not at all; two mixers in turn; a second mixer in the last
block only. If both mixers are equal, all patterns give one network."""

VARIED = "mixer"
"""Name of the block's field that a pattern varies."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StageSpace:
    """The domains of one stage."""

    width: Domain
    """Domain of the number of channels."""
    depth: Domain
    """Domain of the number of blocks; 0 leaves the stage out."""
    block: Slot
    """Slot of the blocks."""
    downsampling: Slot | None
    """Slot of the downsampling before the stage; None if the stage is always the first."""
    pattern: Choice
    """Domain of the pattern: some of ``PATTERNS``."""

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """The values of ``depth``."""
        return tuple(each for each in self.depth.values if isinstance(each, int))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """The values of ``width``."""
        return tuple(each for each in self.width.values if isinstance(each, int))

    def may_vanish(self, index: int) -> bool:
        """Whether stage ``index`` can be left out, or merge with the one before."""
        options = self.downsampling.options if index and self.downsampling else ()
        return 0 in self.depths or any(each.cls.is_identity for each in options)

    def only(self, keep: Callable[[type[Component]], bool], what: str, path: str) -> "StageSpace":
        """Return the stage without the components that ``keep`` rejects; see ``Slot.only``."""
        down = self.downsampling and self.downsampling.only(keep, what, f"{path}.downsampling")
        block = self.block.only(keep, what, f"{path}.block")
        return replace(self, block=block, downsampling=down)

    def decisions(
        self, path: str, stem: Iterable[tuple[str, Domain]] | None
    ) -> Iterator[tuple[str, Domain]]:
        """Yield every possible decision of the stage: its path and its domain.

        Args:
            path: The path of the stage.
            stem: The decisions of the stem; None after the first stage.
        """
        own = ((f"{path}.depth", self.depth), (f"{path}.width", self.width))
        yield from (each for each in own if len(each[1].values) > 1)
        if stem is not None:
            yield from stem
        elif self.downsampling is not None:
            yield from self.downsampling.decisions(f"{path}.downsampling")
        yield from self.block.decisions(f"{path}.block")
        if len(self.pattern.values) > 1:
            yield f"{path}.pattern", self.pattern
        if self.pattern.values == ("uniform",):
            return
        for option in self.block.options:
            several = len(self.block.options) > 1
            prefix = f"{path}.block.{option.cls.name}" if several else f"{path}.block"
            if VARIED in option.slots:
                yield from option.slots[VARIED].decisions(f"{prefix}.second_{VARIED}")


def second_mixer_at(pattern: str, depth: int) -> list[int]:
    """Return the indices of the blocks with the second mixer."""
    match pattern:
        case "uniform":
            return []
        case "alternate":
            return list(range(1, depth, 2))
        case _:
            return [depth - 1]


def patterns(stage: StageSpace, depth: int, mixers: int) -> tuple[str, ...]:
    """Return the patterns that give different networks, for a depth and a number of mixers."""
    names = tuple(map(str, stage.pattern.values))
    if depth < 2 or mixers < 2:
        return ("uniform",)
    if depth == 2 and "alternate" in names:
        return tuple(name for name in names if name != "last")
    return names
