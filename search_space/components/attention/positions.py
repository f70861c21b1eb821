"""What attention knows of the positions: biases of scores by the offset of query and key.

Shape suffixes: h heads, d channels of a head, N queries, M keys, R and S offsets of rows and
columns, X batch x groups.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from .supports import Offsets


class Position(nn.Module):
    """Biases added to the scores of all pairs of a group."""

    of_query: ClassVar[bool] = False
    """Whether the biases depend on the query, and not on the offset alone."""

    def forward(self, q_XhNd: Tensor, offsets: Offsets) -> Tensor:
        """Return the biases, (h, N, M) or (X, h, N, M), of queries and the offsets of all pairs."""
        raise NotImplementedError


class OffsetBias(Position):
    """A learned number for each head and offset (Liu et al., Swin Transformer, 2021, equation 4).

    The reference codes keep the numbers in one axis, places first: (R S, heads).
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"table_hRS"})

    def __init__(self, heads: int, rows: int, columns: int) -> None:
        super().__init__()
        self.table_hRS = nn.Parameter(torch.empty(heads, 2 * rows - 1, 2 * columns - 1))
        nn.init.trunc_normal_(self.table_hRS, std=0.02)

    def forward(self, q_XhNd: Tensor, offsets: Offsets) -> Tensor:
        """Return the biases, (h, N, M); offsets must be smaller than rows and columns given."""
        rows, columns = (side // 2 for side in self.table_hRS.shape[1:])
        return self.table_hRS[:, offsets.rows_NM + rows, offsets.columns_NM + columns]


class DynamicBias(Position):
    """A perceptron from the offset to the numbers of all heads, for groups of any size.

    Wang et al., CrossFormer, 2021, section 3.3 (dynamic position bias).
    """

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.offset = nn.Linear(2, width)
        layers: list[nn.Module] = []
        for out in (width, width, heads):
            layers += [nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, out)]
        self.layers = nn.Sequential(*layers)

    def forward(self, q_XhNd: Tensor, offsets: Offsets) -> Tensor:
        """Return the biases, (h, N, M)."""
        rows, columns = offsets.furthest
        of_row, of_column = self.offset.weight.unbind(1)
        row_R = torch.arange(-rows, rows + 1, device=q_XhNd.device, dtype=of_row.dtype)
        column_S = torch.arange(-columns, columns + 1, device=q_XhNd.device, dtype=of_row.dtype)
        # The sum of two products, which an exporter that evaluates constants does not change.
        of_column_Sf = column_S[:, None] * of_column + self.offset.bias
        hidden_RSf = (row_R[:, None] * of_row)[:, None] + of_column_Sf
        table_hRS = self.layers(hidden_RSf).permute(2, 0, 1)
        return table_hRS[:, offsets.rows_NM + rows, offsets.columns_NM + columns]


def _perceptron(first: nn.Linear, last: nn.Linear, rows_R: Tensor, columns_S: Tensor) -> Tensor:
    """Return the outputs (h, R, S) of a perceptron for all pairs of a row and a column number."""
    of_row, of_column = first.weight.unbind(1)
    # The sum of two products, which an exporter that evaluates constants does not change.
    of_column_Sf = columns_S[:, None] * of_column + first.bias
    hidden_RSf = ((rows_R[:, None] * of_row)[:, None] + of_column_Sf).relu()
    return last(hidden_RSf).permute(2, 0, 1)


class LogPerceptronBias(Position):
    """A perceptron from the logarithms of one plus the offsets, with their signs, to numbers.

    Wightman, PyTorch Image Models, 2019, the position of timm's MaxViT and CoAtNet with ``rmlp`` in
    their names, without dropout. It takes groups of any size.
    """

    def __init__(self, heads: int, width: int = 512) -> None:
        super().__init__()
        self.offset = nn.Linear(2, width)
        self.out = nn.Linear(width, heads)

    def forward(self, q_XhNd: Tensor, offsets: Offsets) -> Tensor:
        """Return the biases, (h, N, M)."""
        logs: list[Tensor] = []
        for furthest in offsets.furthest:
            place = torch.arange(-furthest, furthest + 1, device=q_XhNd.device)
            place = place.to(self.offset.weight.dtype)
            logs.append(place.sign() * (place.abs() + 1).log())
        table_hRS = _perceptron(self.offset, self.out, *logs)
        rows, columns = offsets.furthest
        return table_hRS[:, offsets.rows_NM + rows, offsets.columns_NM + columns]


class LogOffsetBias(Position):
    """A perceptron from the offset on a logarithmic scale to numbers from 0 to 16 of all heads.

    Liu et al., Swin Transformer V2, 2021, arXiv:2111.09883, equations 3 and 4. Offsets are in
    eighths of the largest one that the module was built for.
    """

    def __init__(self, heads: int, rows: int, columns: int, width: int = 512) -> None:
        super().__init__()
        self.most = max(1, rows - 1), max(1, columns - 1)
        self.offset = nn.Linear(2, width)
        self.out = nn.Linear(width, heads, bias=False)

    def forward(self, q_XhNd: Tensor, offsets: Offsets) -> Tensor:
        """Return the biases, (h, N, M)."""
        logs: list[Tensor] = []
        for furthest, most in zip(offsets.furthest, self.most, strict=True):
            place = torch.arange(-furthest, furthest + 1, device=q_XhNd.device)
            share = place.to(self.offset.weight.dtype) * (8 / most)
            logs.append(share.sign() * (share.abs() + 1).log2() / 3)
        table_hRS = _perceptron(self.offset, self.out, *logs)
        rows, columns = offsets.furthest
        found = table_hRS[:, offsets.rows_NM + rows, offsets.columns_NM + columns]
        return 16 * found.sigmoid()


class RelativeLogits(Position):
    """Products of each query with learned vectors for its row offset and for its column offset.

    Vaswani et al., Scaling Local Self-Attention, 2021, after Bello et al., Attention Augmented
    Convolutional Networks, 2019, arXiv:1904.09925, section 3.1. The heads share the vectors.
    """

    of_query = True
    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"rows_Rd", "columns_Sd"})

    def __init__(self, dim: int, rows: int, columns: int) -> None:
        super().__init__()
        self.rows_Rd = nn.Parameter(torch.empty(2 * rows - 1, dim))
        self.columns_Sd = nn.Parameter(torch.empty(2 * columns - 1, dim))
        for each in (self.rows_Rd, self.columns_Sd):
            nn.init.trunc_normal_(each, std=dim**-0.5)

    def forward(self, q_XhNd: Tensor, offsets: Offsets) -> Tensor:
        """Return the biases, (X, h, N, M)."""
        found: list[Tensor] = []
        for table, offset_NM in zip((self.rows_Rd, self.columns_Sd), offsets[:2], strict=True):
            logits_XhNR = q_XhNd @ table.to(q_XhNd.dtype).T
            index_NM = offset_NM + len(table) // 2
            found.append(logits_XhNR.gather(3, index_NM.expand(*q_XhNd.shape[:3], -1)))
        return found[0] + found[1]
