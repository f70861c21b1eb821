"""A base of mixers that scan sequences of positions."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from ...domains import Choice, IntRange
from ...shapes import Shape
from ..base import TokenMixer
from ..sequence.lifting import ROUTES

LIFTING = Choice(tuple(ROUTES))
"""How a map becomes sequences."""

_WINDOW = 7


@dataclass(frozen=True, kw_only=True)
class LiftedMixer(TokenMixer):
    """A base: the choice of sequences."""

    lifting: Annotated[str, LIFTING] = "bidirectional"
    """Sequences that are scanned: all positions row by row (``raster``), and backwards
    (``bidirectional``); both also column by column (``four_way``); each row and each column, both
    ways (``rows_columns``); each window, both ways (``windows``)."""
    window: Annotated[int, IntRange(1, 32)] = _WINDOW
    """Side of a window in pixels, 1 to 32; only for windows."""

    def canonical(self, shape: Shape) -> Self:
        """A window as large as the map is the whole map; other liftings have no window."""
        given = super().canonical(shape)
        if self.lifting == "windows" and self.window < max(shape.height, shape.width):
            return given
        lifting = "bidirectional" if self.lifting == "windows" else self.lifting
        if shape.tokens == 1 and lifting == "rows_columns":
            lifting = "four_way"
        return replace(given, lifting=lifting, window=_WINDOW)

    def lengths(self, shape: Shape) -> list[int]:
        """Return the length of the sequences of each route."""
        height, width = shape.height, shape.width
        windows = min(self.window, height) * min(self.window, width)
        whole = {"raster": shape.tokens, "turned": shape.tokens}
        lengths = {**whole, "rows": width, "columns": height, "windows": windows}
        return [lengths[order] for order, _ in ROUTES[self.lifting]]

    def routes(self) -> int:
        """Return the number of routes over the map."""
        return len(ROUTES[self.lifting])
