"""Attention by torch's flex_attention, which needs no tensor of masks or biases of all pairs.

Dong et al., Flex Attention: A Programming Model for Generating Optimized Attention Kernels, 2024,
arXiv:2412.05496. Compiled, it skips the blocks of pairs that are hidden; a run that is not compiled
gives the same results, but computes all pairs.

Shape suffixes: B batch, H rows, W columns, C channels of all heads, h heads, d channels of a head,
G groups, N queries, M keys, X batch x groups, k and l sides of a window.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import NamedTuple, ParamSpec, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import normalize

from .module import GroupedAttention
from .neighbourhood import NeighbourhoodAttention, neighbours
from .positions import Position
from .projections import Projected
from .scores import Cosine, DotProduct
from .supports import Blocks, Support

P = ParamSpec("P")
T = TypeVar("T")


def _outside(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that runs outside the compiled graph.

    torch 2.15 on a CPU gives zeros, without an error, if a table of the mask is filled inside the
    graph (``findings/flex_mask_table.sh``).
    """

    @wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        # Masks are kept, and tensors of inference mode could not be used with gradients.
        with torch.inference_mode(False):
            return function(*args, **kwargs)

    # torch types the result as a decorator or a function.
    return cast(Callable[P, T], torch.compiler.disable(made))


def with_flex_attention(network: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a copy of a network whose windows and biases are computed by flex_attention.

    Changed are neighbourhood attention, and attention in windows, stripes and grids whose score is
    a product or a cosine, for maps where pairs are hidden (shifted windows, windows that do not
    fill the map); all else is kept.
    Weights, their names and the results are the same. The costs of the copy are those of the
    network: torch's counters cannot see into flex_attention, and the counting of costs refuses it
    by name. On a CPU the copy has no gradients. ``benchmarks/flex.py`` compares the times.

    Args:
        network: A network or a module of one.

    Returns:
        The copy, to be compiled, and the names of the changed modules.
    """
    copied = deepcopy(network)
    changed: list[str] = []
    for name, module in copied.named_modules():
        if type(module) is NeighbourhoodAttention:
            module.__class__ = FlexNeighbourhood
            setattr(module, "pairs", {})  # noqa: B010 - no tensor, no module
        elif type(module) is GroupedAttention and _may_hide(module):
            module.__class__ = FlexGrouped
            setattr(module, "masks", {})  # noqa: B010 - no tensor, no module
        else:
            continue
        changed.append(name)
    return copied, tuple(changed)


def _may_hide(module: GroupedAttention) -> bool:
    """Whether pairs may be hidden, by shifts or at the map's edge, whose bias is of the offset."""
    of_query = any(isinstance(each, Position) and each.of_query for each in module.positions)
    fits = type(module.score) in (DotProduct, Cosine) and not of_query
    return fits and any(isinstance(each, Blocks) for each in module.supports)


def _refuse_traces() -> None:
    """Refuse to be traced, as a count of the costs does.

    Raises:
        NotImplementedError: If a module is being traced.
    """
    if torch.jit.is_tracing():
        raise NotImplementedError(
            "flex_attention must not be traced or counted; its plain form has the same costs"
        )


class FlexNeighbourhood(NeighbourhoodAttention):
    """Neighbourhood attention as attention between all positions with hidden pairs."""

    pairs: dict[tuple[int, int, torch.device], "WindowPairs"]
    """Pairs made so far, by the sides of the map and the device."""

    @_outside
    def _pairs(self, height: int, width: int, device: torch.device) -> "WindowPairs":
        """Return the pairs that attend."""
        key = height, width, device
        if key not in self.pairs:
            self.pairs[key] = _window_pairs(height, width, self.kernel_size, self.dilation, device)
        return self.pairs[key]

    def mix(self, projected: Projected) -> Tensor:
        """Return the mixed values, channels last."""
        _refuse_traces()
        H, W = (int(side) for side in projected.q_BHWd.shape[1:3])
        q, k, v = (
            each.flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in projected[:3]
        )
        pairs = self._pairs(H, W, q.device)
        bias = None
        if self.position is not None:
            table_hRS = self.position.table_hRS.to(q.dtype)

            def with_bias(
                score: Tensor, image: Tensor, head: Tensor, query: Tensor, key: Tensor
            ) -> Tensor:
                row = pairs.rows_HH[query // W, key // W]
                return score + table_hRS[head, row, pairs.columns_WW[query % W, key % W]]

            bias = with_bias
        mixed_BhNd = _attend(q, k, v, mask=pairs.mask, bias=bias)
        return mixed_BhNd.transpose(1, 2).flatten(2).unflatten(1, (H, W))


class FlexGrouped(GroupedAttention):
    """Attention in groups with its biases and hidden pairs as functions of the pair."""

    masks: dict[tuple[int, tuple[int, int], torch.device], BlockMask]
    """Masks made so far, by number of the support, sides of the map and device."""

    @_outside
    def _mask(self, number: int, sides: tuple[int, int], device: torch.device) -> BlockMask:
        """Return the pairs of a support that attend; groups count as heads."""
        key = number, sides, device
        if key not in self.masks:
            support, heads = self.supports[number], self.heads
            assert isinstance(support, Support)
            hidden_GNM = support.hidden(*sides, device)
            assert hidden_GNM is not None
            groups, queries, keys = (int(each) for each in hidden_GNM.shape)

            def together(image: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
                return ~hidden_GNM[head // heads, query, key]

            self.masks[key] = create_block_mask(
                together, None, groups * heads, queries, keys, device=str(device)
            )
        return self.masks[key]

    def _weighed(
        self,
        number: int,
        q_XhNd: Tensor,
        k_XhMd: Tensor,
        v_XhMe: Tensor,
        sides: tuple[int, int],
        hidden_GNM: Tensor | None,
        extra: tuple[Tensor | None, Tensor | None],
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e); groups count as heads if pairs are hidden."""
        _refuse_traces()
        if hidden_GNM is None or extra[0] is not None:
            return super()._weighed(number, q_XhNd, k_XhMd, v_XhMe, sides, hidden_GNM, extra)
        found = self._position(number, q_XhNd, *sides)
        mask = self._mask(number, sides, q_XhNd.device)
        heads, bias = self.heads, None
        if found is not None:
            bias_hNM = found[0]

            def with_bias(
                score: Tensor, image: Tensor, head: Tensor, query: Tensor, key: Tensor
            ) -> Tensor:
                return score + bias_hNM[head % heads, query, key]

            bias = with_bias
        factor = self.score.scale if isinstance(self.score, DotProduct) else 1.0
        if isinstance(self.score, Cosine):
            q_XhNd, k_XhMd = self.score.queries(q_XhNd), normalize(k_XhMd, dim=3)
        return _attend(q_XhNd, k_XhMd, v_XhMe, mask=mask, bias=bias, scale=factor)


class WindowPairs(NamedTuple):
    """The pairs of positions of a map, of which the second lies in the window of the first."""

    mask: BlockMask
    """The pairs, in blocks."""
    rows_HH: Tensor
    """Index of the offset of two rows in a table of biases; 0 outside the window."""
    columns_WW: Tensor
    """Index of the offset of two columns; 0 outside the window."""


def _window_pairs(
    height: int, width: int, kernel: int, dilation: int, device: torch.device
) -> WindowPairs:
    """Return the pairs of neighbourhood attention."""
    seen: list[Tensor] = []
    index: list[Tensor] = []
    for side in (height, width):
        place_Hk, offset_Hk = neighbours(side, kernel, dilation, device)
        own_H1 = torch.arange(side, device=device)[:, None]
        seen.append(torch.zeros(side, side, dtype=torch.bool, device=device))
        index.append(torch.zeros(side, side, dtype=torch.long, device=device))
        seen[-1][own_H1, place_Hk] = True
        index[-1][own_H1, place_Hk] = offset_Hk + kernel - 1
    rows_HH, columns_WW = seen

    def near(image: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        of_row = rows_HH[query // width, key // width]
        return of_row & columns_WW[query % width, key % width]

    places = height * width
    mask = create_block_mask(near, None, None, places, places, device=str(device))
    return WindowPairs(mask, *index)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: BlockMask,
    bias: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor] | None,
    scale: float | None = None,
) -> Tensor:
    """Return the mixed values."""
    mixed = flex_attention(q, k, v, score_mod=bias, block_mask=mask, scale=scale)
    assert isinstance(mixed, Tensor)
    return mixed
