"""The module of attention: a product of projection, supports, positions and score.

Shape suffixes: B batch, C channels, H rows, W columns, h heads, d channels of a head, G groups, N
queries of a group, M keys of a group, T extra tokens, X batch x groups.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers.portable import exporting
from .positions import Position
from .projections import MemoryProjection, Projected, RememberedProjection
from .scores import Score
from .supports import Blocks, Support


class MapAttention(nn.Module):
    """Attention from a map to itself: a projection, the mixing of values, and a linear map."""

    def __init__(
        self, *, projection: nn.Module, channels: int, values: int, proj_bias: bool
    ) -> None:
        """Build the modules.

        Args:
            projection: Module from the map to queries, keys and values.
            channels: Channels of the output; 0: no map of the mixed values.
            values: Channels of the values of all heads.
            proj_bias: Whether the last linear map has a bias.
        """
        super().__init__()
        self.projection = projection
        last = nn.Linear(values, channels, bias=proj_bias) if channels else nn.Identity()
        self.proj: nn.Module = last

    def mix(self, projected: Projected) -> Tensor:
        """Return the mixed values, channels last."""
        raise NotImplementedError

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to itself."""
        return self.proj(self.mix(self.projection(x_BCHW))).permute(0, 3, 1, 2)


class GroupedAttention(MapAttention):
    """Attention inside groups of positions; with several supports each has a share of the heads."""

    def __init__(
        self,
        *,
        projection: nn.Module,
        channels: int,
        values: int,
        proj_bias: bool,
        heads: int,
        supports: Sequence[Support],
        score: Score,
        positions: Sequence[Position] = (),
        grouped: Sequence[nn.Module] = (),
        local: nn.Module | None = None,
    ) -> None:
        """Build the module.

        Args:
            projection: Module from the map to queries, keys and values.
            channels: Channels of the output; 0: no map of the mixed values.
            values: Channels of the values of all heads.
            proj_bias: Whether the last linear map has a bias.
            heads: Heads of all supports.
            supports: One or several supports.
            score: The score, and what makes weights of it.
            positions: One for each support, or none.
            grouped: A depthwise convolution of the values inside the groups for each support,
            whose output is added to the mixed values, or none.
            local: A depthwise convolution of the values of the whole map, whose output is added, or
            None.
        """
        super().__init__(
            projection=projection, channels=channels, values=values, proj_bias=proj_bias
        )
        self.heads = heads // len(supports)
        self.supports = nn.ModuleList(supports)
        self.positions = nn.ModuleList(positions)
        self.grouped = nn.ModuleList(grouped)
        self.local = local
        self.score = score

    def mix(self, projected: Projected) -> Tensor:
        """Return the mixed values, channels last."""
        count = len(self.supports)
        extra: list[Sequence[Tensor | None]] = [(None, None)] * count
        if isinstance(self.projection, MemoryProjection | RememberedProjection):
            both = self.projection.remembered()
            extra = list(zip(*(each.chunk(count, 1) for each in both), strict=True))
        elif projected.extra is not None:
            extra = list(zip(*(each.chunk(count, 2) for each in projected.extra), strict=True))
        shares = zip(*(each.chunk(count, 3) for each in projected[:3]), strict=True)
        mixed = [
            self._attend(number, Projected(*share), *extra[number])
            for number, share in enumerate(shares)
        ]
        y_BHWd = torch.cat(mixed, 3) if len(mixed) > 1 else mixed[0]
        if self.local is None:
            return y_BHWd
        return y_BHWd + self.local(projected.v_Bhwe.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def _attend(
        self, number: int, maps: Projected, keys: Tensor | None, values: Tensor | None
    ) -> Tensor:
        """Return the mixed values of one support, channels last."""
        support = self.supports[number]
        assert isinstance(support, Support)
        H, W = int(maps.q_BHWd.shape[1]), int(maps.q_BHWd.shape[2])
        hidden_GNM = support.hidden(H, W, maps.q_BHWd.device)
        # Masks differ between groups, so groups then count as heads, else as images; some runtimes
        # let nothing count as images.
        as_images = hidden_GNM is None and not exporting()
        axes = (0, 1) if as_images else (1, 2)
        q_BGhNd = support.queries(maps.q_BHWd, self.heads)
        q_XhNd = q_BGhNd.flatten(*axes)
        k_XhMd = support.keys(maps.k_Bhwd, self.heads).flatten(*axes)
        v_XhMd = support.keys(maps.v_Bhwe, self.heads).flatten(*axes)
        if keys is not None and values is not None and keys.dim() == 3:
            groups = int(q_BGhNd.shape[1])
            keys, values = (
                _by_group(each, groups, self.heads).flatten(*axes) for each in (keys, values)
            )
        y_XhNd = self._weighed(number, q_XhNd, k_XhMd, v_XhMd, (H, W), hidden_GNM, (keys, values))
        groups = int(q_BGhNd.shape[1])
        y_BGhNd = (
            y_XhNd.unflatten(0, (-1, groups)) if as_images else y_XhNd.unflatten(1, (groups, -1))
        )
        y_BHWd = support.merge(y_BGhNd, H, W)
        if len(self.grouped):
            assert isinstance(support, Blocks)
            y_BHWd = y_BHWd + support.filtered(maps.v_Bhwe, self.grouped[number])
        return y_BHWd

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
        """Return the mixed values, (X, h, N, e); groups count as heads if pairs are hidden.

        Args:
            number: Number of the support.
            q_XhNd: Queries.
            k_XhMd: Keys.
            v_XhMe: Values.
            sides: Rows and columns of the map.
            hidden_GNM: Pairs that do not attend, or None.
            extra: Extra keys and values of all groups, (T, C) each, or of each, (X, h, T, d) and
            (X, h, T, e), or None twice.
        """
        bias = self._bias(number, q_XhNd, *sides, hidden_GNM)
        keys, values = extra
        if keys is not None and values is not None:
            bias = None if bias is None else nn.functional.pad(bias, (keys.shape[-2], 0))
            k_XhMd, v_XhMe = _with(keys, k_XhMd), _with(values, v_XhMe)
        return self.score(q_XhNd, k_XhMd, v_XhMe, bias)

    def _position(self, number: int, q_XhNd: Tensor, height: int, width: int) -> Tensor | None:
        """Return the biases of positions, (1, h, N, M) or (X, h, N, M), or None."""
        if not len(self.positions):
            return None
        support = self.supports[number]
        assert isinstance(support, Support)
        offsets = support.offsets(height, width, q_XhNd.device)
        found: Tensor = self.positions[number](q_XhNd, offsets).to(q_XhNd.dtype)
        return found[None] if found.dim() == 3 else found

    def _bias(
        self, number: int, q_XhNd: Tensor, height: int, width: int, hidden_GNM: Tensor | None
    ) -> Tensor | None:
        """Return what is added to the scores: of positions, and minus infinity for hidden pairs."""
        bias = self._position(number, q_XhNd, height, width)
        if hidden_GNM is None:
            if bias is None or bias.shape[1] == q_XhNd.shape[1]:
                return bias
            return bias.repeat(1, int(q_XhNd.shape[1]) // self.heads, 1, 1)
        if bias is None:
            bias = q_XhNd.new_zeros(1, self.heads, 1, 1)
        whole = bias.shape[1] == self.heads
        bias = bias[:, None] if whole else bias.unflatten(1, (-1, self.heads))
        return bias.masked_fill(hidden_GNM[:, None], float("-inf")).flatten(1, 2)


def _by_group(extra_BTC: Tensor, groups: int, heads: int) -> Tensor:
    """Return extra tokens of each image for all groups, (B, G, h, T, d)."""
    extra_BhTd = extra_BTC.unflatten(2, (heads, -1)).transpose(1, 2)
    return extra_BhTd[:, None].expand(-1, groups, -1, -1, -1)


def _with(extra: Tensor, tokens_XhMd: Tensor) -> Tensor:
    """Return tokens behind extra ones: (T, C) of all images and groups, or (X, h, T, d)."""
    if extra.dim() == 4:
        return torch.cat((extra, tokens_XhMd), 2)
    X, Gh = tokens_XhMd.shape[:2]
    d = int(tokens_XhMd.shape[3])
    extra_hTd = extra.unflatten(1, (-1, d)).transpose(0, 1)
    extra_XhTd = extra_hTd.repeat(X, int(Gh) // len(extra_hTd), 1, 1)
    return torch.cat((extra_XhTd, tokens_XhMd), 2)
