"""The rank of attention heads."""

from collections.abc import Iterator

from ...search_space.architecture.architecture import Architecture
from ...search_space.components.base import Component, field_kinds
from ..scores import SCORES
from .base import NotDefinedError, Score


class HeadRank(Score):
    """The smallest head dimension of the attention mixers, as a share of their width.

    Amsel et al., On the Benefits of Rank in Attention Layers, 2024 (L08): heads of low rank cannot
    stand for one of full rank unless their number is exponential. Defined for networks with mixers
    that state a head dimension or a number of heads. It needs no images and no weights.
    """

    name = "head_rank"
    metrics = (SCORES["head_rank"].metric,)
    defaults = {"batch": 0}  # noqa: RUF012

    def score(self, architecture: Architecture) -> float:
        """Return the smallest share.

        Raises:
            NotDefinedError: If the network has no attention heads.
        """
        shares = [
            share
            for part in architecture.canonical.parts()
            for component in _inside(part.component)
            if (share := head_share(component, part.in_shapes[0].channels)) is not None
        ]
        if not shares:
            raise NotDefinedError("the network has no mixer with attention heads")
        return min(shares)


def head_share(component: Component, channels: int) -> float | None:
    """Return the dimension of a component's heads by its channels; None without heads."""
    dimension = getattr(component, "head_dim", None)
    if isinstance(dimension, int):
        return min(dimension, channels) / channels
    heads = getattr(component, "heads", None)
    return 1 / heads if isinstance(heads, int) and not isinstance(heads, bool) else None


def _inside(component: Component) -> Iterator[Component]:
    yield component
    for name in field_kinds(type(component)):
        yield from _inside(getattr(component, name))
