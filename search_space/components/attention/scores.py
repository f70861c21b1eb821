"""Scores of attention and what makes weights of them.

Shape suffixes: X batch x groups, h heads, d channels of a query, e channels of a value, f hidden
channels of a score, N queries, M keys.
"""

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers.portable import unit


class Score(nn.Module):
    """A function from queries, keys and values to mixed values."""

    @abstractmethod
    def scores(self, q_XhNd: Tensor, k_XhMd: Tensor) -> Tensor:
        """Return the scores of all pairs, (X, h, N, M)."""

    def forward(
        self, q_XhNd: Tensor, k_XhMd: Tensor, v_XhMe: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e).

        Args:
            q_XhNd: Queries.
            k_XhMd: Keys.
            v_XhMe: Values.
            bias: Numbers added to the scores, which broadcast to (X, h, N, M).
        """
        raise NotImplementedError


class DotProduct(Score):
    """Scores that are products of query and key, with softmax (Vaswani et al., 2017)."""

    def __init__(self, scale: float | None = None) -> None:
        """Make the score.

        Args:
            scale: Factor of the products; None: one over the root of the channels of a query.
        """
        super().__init__()
        self.scale = scale

    def factor(self, dim: int) -> float:
        """Return the factor of the products of ``dim`` channels."""
        return dim**-0.5 if self.scale is None else self.scale

    def scores(self, q_XhNd: Tensor, k_XhMd: Tensor) -> Tensor:
        """Return the scores of all pairs, (X, h, N, M)."""
        return (self.factor(q_XhNd.shape[-1]) * q_XhNd) @ k_XhMd.transpose(2, 3)

    def forward(
        self, q_XhNd: Tensor, k_XhMd: Tensor, v_XhMe: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e)."""
        return F.scaled_dot_product_attention(q_XhNd, k_XhMd, v_XhMe, bias, scale=self.scale)


class FeedForwardScore(Score):
    """Scores of a network that sees query and key together, with softmax (Neural Attention).

    DiGiugno and Mahmood, 2025, arXiv:2502.17206: query and key are mapped to ``hidden`` channels,
    and a perceptron with two hidden layers maps both together to a number. Its first layer is a sum
    of a map of the query and one of the key, so only the layers after it are as large as all pairs.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, hidden)
        self.key = nn.Linear(dim, hidden)
        self.both = nn.Linear(2 * hidden, hidden)
        self.second = nn.Linear(hidden, hidden // 2)
        self.out = nn.Linear(hidden // 2, 1)

    def scores(self, q_XhNd: Tensor, k_XhMd: Tensor) -> Tensor:
        """Return the scores of all pairs, (X, h, N, M)."""
        of_query, of_key = self.both.weight.chunk(2, 1)
        left_XhNf = F.linear(self.query(q_XhNd), of_query, self.both.bias)
        right_XhMf = F.linear(self.key(k_XhMd), of_key)
        pairs_XhNMf = (left_XhNf[:, :, :, None] + right_XhMf[:, :, None]).relu()
        return self.out(self.second(pairs_XhNMf).relu())[..., 0]

    def forward(
        self, q_XhNd: Tensor, k_XhMd: Tensor, v_XhMe: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e)."""
        scores_XhNM = self.scores(q_XhNd, k_XhMd)
        if bias is not None:
            scores_XhNM = scores_XhNM + bias
        return scores_XhNM.softmax(3) @ v_XhMe


class Cosine(Score):
    """Cosines of query and key times a learned factor of each head, with softmax.

    Liu et al., Swin Transformer V2, 2021, arXiv:2111.09883, equation 2. The factor is at most 100.
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"log_factor_h11"})

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.log_factor_h11 = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))

    def queries(self, q_XhNd: Tensor) -> Tensor:
        """Return queries of the length of their head's factor; groups may count as heads."""
        factor = self.log_factor_h11.clamp(max=math.log(100)).exp()
        factor = factor.repeat(q_XhNd.shape[1] // len(factor), 1, 1)
        return unit(q_XhNd, 3) * factor.to(q_XhNd.dtype)

    def scores(self, q_XhNd: Tensor, k_XhMd: Tensor) -> Tensor:
        """Return the scores of all pairs, (X, h, N, M)."""
        return self.queries(q_XhNd) @ unit(k_XhMd, 3).transpose(2, 3)

    def forward(
        self, q_XhNd: Tensor, k_XhMd: Tensor, v_XhMe: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e)."""
        k_XhMd = unit(k_XhMd, 3)
        return F.scaled_dot_product_attention(self.queries(q_XhNd), k_XhMd, v_XhMe, bias, scale=1.0)


class TalkingHeads(DotProduct):
    """Products of query and key with linear maps of the heads before and after the softmax.

    Shazeer et al., Talking-Heads Attention, 2020, arXiv:2003.02436; the attention of CaiT (Touvron
    et al., 2021).
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.before = nn.Conv2d(heads, heads, 1)
        self.after = nn.Conv2d(heads, heads, 1)

    def forward(
        self, q_XhNd: Tensor, k_XhMd: Tensor, v_XhMe: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e)."""
        scores_XhNM = self._talk(self.scores(q_XhNd, k_XhMd), self.before)
        if bias is not None:
            scores_XhNM = scores_XhNM + bias
        return self._talk(scores_XhNM.softmax(3), self.after).to(v_XhMe.dtype) @ v_XhMe

    def _talk(self, maps_XhNM: Tensor, conv: nn.Conv2d) -> Tensor:
        """Map the heads of each group linearly; groups may count as heads."""
        groups = maps_XhNM.shape[1] // conv.in_channels
        if groups == 1:
            return conv(maps_XhNM)
        split = maps_XhNM.unflatten(1, (groups, -1))
        return conv(split.flatten(0, 1)).unflatten(0, split.shape[:2]).flatten(1, 2)


class Rectified(Score):
    """Another score with ReLU in place of softmax, and a layer norm of the mixed values.

    Zhou et al., Interpret Vision Transformers as ConvNets with Dynamic Convolutions, 2023,
    arXiv:2309.10713. The weights of a query do not sum to one, so the norm, over the channels of a
    head, sets the size of its output.
    """

    def __init__(self, score: Score, dim: int) -> None:
        super().__init__()
        self.score = score
        self.norm = nn.LayerNorm(dim)

    def scores(self, q_XhNd: Tensor, k_XhMd: Tensor) -> Tensor:
        """Return the scores of all pairs, (X, h, N, M)."""
        return self.score.scores(q_XhNd, k_XhMd)

    def forward(
        self, q_XhNd: Tensor, k_XhMd: Tensor, v_XhMe: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the mixed values, (X, h, N, e)."""
        scores_XhNM = self.scores(q_XhNd, k_XhMd)
        if bias is not None:
            scores_XhNM = scores_XhNM + bias
        return self.norm(scores_XhNM.relu() @ v_XhMe)
