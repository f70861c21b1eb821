"""What one operation costs: pure functions on shapes.

A MAC is one multiply-add. What is not a multiply-add is counted in *other operations*: one for each
result of an arithmetic function of one element (``add``, ``exp``, ``gelu``, ... alike), several for
the compound functions below.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Sizes = Sequence[int]
"""The sizes of a tensor."""

SOFTMAX = 5
"""Operations an element of a softmax: maximum, subtraction, exponential, sum, division."""

LSTM_CELL = 9
"""Operations an element of a cell: 3 sigmoids, 2 tanh, 3 products, 1 sum."""

GRU_CELL = 9
"""Operations an element of a cell: 2 sigmoids, 1 tanh, 3 products, 2 sums, 1 complement."""

INTERPOLATION: Mapping[str, int] = {
    "nearest": 0,
    "linear": 2,
    "bilinear": 4,
    "trilinear": 8,
    "bicubic": 16,
}
"""Operations an output element: one for each input element that it is a weighted sum of."""


def convolution(x: Sizes, weight: Sizes, out: Sizes, *, transposed: bool) -> int:
    """Return the MACs of a convolution; padding counts as pixels, the bias is free.

    Args:
        x: Input, (B, channels, ...).
        weight: Kernel, (out, in / groups, ...), or (in, out / groups, ...) where transposed.
        out: Output, (B, channels, ...).
        transposed: Whether every input place, not every output place, meets the whole kernel.
    """
    places = (x if transposed else out)[2:]
    return x[0] * math.prod(weight) * math.prod(places)


def product(left: Sizes, out: Sizes) -> int:
    """Return the MACs of a matrix product: each output element sums over ``left``'s last size."""
    return math.prod(out) * left[-1]


@dataclass(frozen=True, kw_only=True)
class AttentionCost:
    """Attention, as if its matrices were written out, whether they are or not."""

    macs: int
    """Multiply-adds of the two matrix products."""
    scores: int
    """Elements of the attention matrices of all heads."""
    out: int
    """Elements of the output."""


def attention(query: Sizes, key: Sizes, value: Sizes) -> AttentionCost:
    """Return the cost of scaled dot-product attention.

    Args:
        query: (..., N, d).
        key: (..., M, d); it may have fewer heads than ``query`` (grouped queries).
        value: (..., M, e).
    """
    tokens = math.prod(query[:-1])
    scores = tokens * key[-2]
    return AttentionCost(
        macs=scores * (query[-1] + value[-1]), scores=scores, out=tokens * value[-1]
    )


def fourier(sizes: Sizes, axes: Sequence[int], *, real: bool) -> int:
    """Return the MACs of a fast Fourier transform.

    A complex transform of n points takes 5 n log2 n real operations (the textbook count of radix
    2), which are 2.5 n log2 n multiply-adds; half of it where one side is real.

    Args:
        sizes: The real side's sizes where ``real``, else either side's.
        axes: The axes that are transformed.
        real: Whether one side is real.
    """
    points = math.prod(sizes[axis] for axis in axes)
    complex_macs = 2.5 * math.prod(sizes) * math.log2(points)
    return round(complex_macs / 2 if real else complex_macs)


@dataclass(frozen=True, kw_only=True)
class RecurrentCost:
    """A recurrent network over a sequence."""

    macs: int
    """Multiply-adds of the matrix products."""
    activations: int
    """Elements of their outputs."""
    other: int
    """Operations of the cells."""


def recurrent(x: Sizes, state: Sizes, weights: Sequence[Sizes], *, cell: int) -> RecurrentCost:
    """Return the cost of an LSTM, a GRU or a plain recurrent network.

    Args:
        x: The sequence, (T, B, I), (B, T, I) or (T, I).
        state: The last cell state, (layers x directions, B, H) or (layers x directions, H).
        weights: All weights; the matrices among them are each applied once a step.
        cell: Operations an element of the cell state and step.
    """
    tokens = math.prod(x[:-1])
    steps = tokens // (state[1] if len(state) == 3 else 1)
    matrices = [each for each in weights if len(each) == 2]
    return RecurrentCost(
        macs=tokens * sum(math.prod(each) for each in matrices),
        activations=tokens * sum(each[0] for each in matrices),
        other=cell * steps * math.prod(state),
    )


def sorting(sizes: Sizes, axis: int, kept: int | None = None) -> int:
    """Return the comparisons that sort ``sizes`` along ``axis``, or find its ``kept`` largest.

    n ceil(log2 n) a sequence of n; n ceil(log2 (kept + 1)) where fewer are kept (a heap).
    """
    count = sizes[axis] if kept is None else min(sizes[axis], kept + 1)
    return math.prod(sizes) * math.ceil(math.log2(count)) if count > 1 else 0


def einsum(equation: str, operands: Sequence[Sizes], path: Sequence[int] | None = None) -> int:
    """Return the MACs of an Einstein sum.

    The operands are contracted two at a time; each contraction costs the product of the sizes of
    all labels in it. A label that only one of the two has and nobody needs later is summed before.

    Args:
        equation: As torch takes it.
        operands: Their sizes.
        path: Which two are contracted, step after step (the result goes to the end), flat; none:
            from left to right.
    """
    terms, needed = einsum_labels(equation, operands)
    size = {
        label: max(s[t.index(label)] for s, t in zip(operands, terms, strict=True) if label in t)
        for label in {label for term in terms for label in term}
    }
    left = [frozenset(term) for term in terms]
    macs = 0
    for step in range(len(terms) - 1):
        if path is None:
            one, other = left.pop(0), left.pop(0)
        else:
            places = sorted(path[2 * step : 2 * step + 2], reverse=True)
            other, one = (left.pop(place) for place in places)
        later = needed.union(*left)
        macs += math.prod(size[label] for label in (one & other) | ((one | other) & later))
        result = (one | other) & later
        left.insert(0 if path is None else len(left), result)
    return macs


def einsum_labels(
    equation: str, operands: Sequence[Sizes]
) -> tuple[list[list[str]], frozenset[str]]:
    """Return the labels of each operand and of the output; ``...`` stands for as many as needed."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms: list[list[str]] = []
    dots: list[str] = []
    for text, sizes in zip(inputs.split(","), operands, strict=True):
        before, ellipsis, after = text.partition("...")
        count = len(sizes) - len(before) - len(after)
        mine = [f".{number}" for number in reversed(range(count))] if ellipsis else []
        dots = max(dots, mine, key=len)
        terms.append([*before, *mine, *after])
    if arrow:
        plain = [label for label in output if label != "."]
        return terms, frozenset([*plain, *(dots if "..." in output else [])])
    every = [label for term in terms for label in term]
    return terms, frozenset(label for label in every if every.count(label) == 1 or "." in label)
