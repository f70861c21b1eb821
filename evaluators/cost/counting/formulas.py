"""Costs of single operations: pure functions of shapes.

A MAC is one multiply-add. All other arithmetic counts as *other operations*: one per result of an
elementwise function (``add``, ``exp``, ``gelu``, ... alike), several for the compound functions
below.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Sizes = Sequence[int]
"""The sizes of a tensor."""

SOFTMAX = 5
"""Operations per element of a softmax: maximum, subtraction, exponential, sum, division."""

LSTM_CELL = 9
"""Operations per element of a cell: 3 sigmoids, 2 tanh, 3 products, 1 sum."""

GRU_CELL = 9
"""Operations per element of a cell: 2 sigmoids, 1 tanh, 3 products, 2 sums, 1 complement."""

INTERPOLATION: Mapping[str, int] = {
    "nearest": 0,
    "linear": 2,
    "bilinear": 4,
    "trilinear": 8,
    "bicubic": 16,
}
"""Operations per output element: one for each input element of its weighted sum."""


def convolution(x: Sizes, weight: Sizes, out: Sizes, *, transposed: bool) -> int:
    """Return the MACs of a convolution; padding counts as pixels, the bias is free.

    Args:
        x: Input, (B, channels, ...).
        weight: Kernel, (out, in / groups, ...), or (in, out / groups, ...) where transposed.
        out: Output, (B, channels, ...).
        transposed: Whether the convolution is transposed: every input position, not every output
            position, is multiplied by the whole kernel.
    """
    places = (x if transposed else out)[2:]
    return x[0] * math.prod(weight) * math.prod(places)


def product(left: Sizes, out: Sizes) -> int:
    """Return the MACs of a matrix product: each output element sums over ``left``'s last size."""
    return math.prod(out) * left[-1]


@dataclass(frozen=True, kw_only=True)
class AttentionCost:
    """The cost of attention with its matrices written out, as if it were not fused."""

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
    2), which are 2.5 n log2 n multiply-adds, and half of that where one side is real.

    Args:
        sizes: Sizes of the real side where ``real``, else of either side.
        axes: The axes that are transformed.
        real: Whether one side is real.
    """
    points = math.prod(sizes[axis] for axis in axes)
    complex_macs = 2.5 * math.prod(sizes) * math.log2(points)
    return round(complex_macs / 2 if real else complex_macs)


@dataclass(frozen=True, kw_only=True)
class RecurrentCost:
    """The cost of a recurrent network over a sequence."""

    macs: int
    """Multiply-adds of the matrix products."""
    activations: int
    """Elements of the products' outputs."""
    other: int
    """Operations of the cells."""


def recurrent(x: Sizes, state: Sizes, weights: Sequence[Sizes], *, cell: int) -> RecurrentCost:
    """Return the cost of an LSTM, a GRU or a plain recurrent network.

    Args:
        x: The sequence, (T, B, I), (B, T, I) or (T, I).
        state: The last cell state, (layers x directions, B, H) or (layers x directions, H).
        weights: All weights; each matrix among them is applied once per step.
        cell: Operations per element of the cell state and step.
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

    A sequence of n takes n ceil(log2 n), or n ceil(log2 (kept + 1)) where fewer are kept (a heap).
    """
    count = sizes[axis] if kept is None else min(sizes[axis], kept + 1)
    return math.prod(sizes) * math.ceil(math.log2(count)) if count > 1 else 0


def folding(columns: Sizes, kernel: Sizes, dilation: Sizes, stride: Sizes) -> int:
    """Return the additions of folding windows into a map.

    The result is zero if windows do not overlap, so that elements are only moved.

    Args:
        columns: The windows, (B, channels x kernel elements, windows).
        kernel: Size of a window.
        dilation: Distance of a window's elements.
        stride: Distance between windows.
    """
    reach = [each * (size - 1) + 1 for size, each in zip(kernel, dilation, strict=True)]
    apart = all(step >= each for step, each in zip(stride, reach, strict=True))
    return 0 if apart else math.prod(columns)


def indexed(x: Sizes, indices: Sequence[Sizes | None]) -> int:
    """Return the number of elements of ``x`` that index lists select.

    Args:
        x: Sizes of the tensor.
        indices: Sizes of the index list of each of the first axes, which broadcast; None: the whole
        axis.
    """
    lists = [each for each in indices if each is not None]
    axes = max(map(len, lists), default=0)
    padded = [(*[1] * (axes - len(each)), *each) for each in lists]
    named = math.prod(max(each) for each in zip(*padded, strict=True))
    whole = [size for axis, size in enumerate(x) if (*indices, *[None] * len(x))[axis] is None]
    return named * math.prod(whole)


@dataclass(frozen=True, kw_only=True)
class EinsumCost:
    """The cost of an Einstein sum."""

    macs: int
    """Multiply-adds of the contractions."""
    sums: int
    """Elements of operands that are summed over an axis before the contraction."""


def einsum(
    equation: str,
    operands: Sequence[Sizes],
    path: Sequence[int] | None = None,
    complex_: Sequence[bool] = (),
) -> EinsumCost:
    """Return the cost of an Einstein sum.

    The operands are contracted in pairs. A contraction costs the product of the sizes of its
    labels, doubled for each complex operand. A label that occurs in one operand of the pair and is
    not needed later is summed before. A single operand is summed over the labels not needed.

    Args:
        equation: The equation in torch's form.
        operands: Sizes of the operands.
        path: Flat list of the pairs to contract in order (each result is appended); None: from left
        to right.
        complex_: Whether each operand is complex; empty: none is.
    """
    terms, needed = einsum_labels(equation, operands)
    size = {
        label: max(s[t.index(label)] for s, t in zip(operands, terms, strict=True) if label in t)
        for label in {label for term in terms for label in term}
    }
    factors = [2 if each else 1 for each in complex_ or [False] * len(terms)]
    left = list(zip(map(frozenset, terms), factors, strict=True))
    macs = sums = 0

    def summed(labels: frozenset[str], kept: frozenset[str]) -> int:
        return 0 if labels <= kept else math.prod(size[label] for label in labels)

    for step in range(len(terms) - 1):
        places = [0, 1] if path is None else sorted(path[2 * step : 2 * step + 2])
        (other, its_factor), (one, my_factor) = (left.pop(place) for place in reversed(places))
        later = needed.union(*(labels for labels, _ in left))
        sums += my_factor * summed(one, other | later) + its_factor * summed(other, one | later)
        result = (one | other) & later
        macs += my_factor * its_factor * math.prod(size[label] for label in (one & other) | result)
        left.insert(0 if path is None else len(left), (result, max(my_factor, its_factor)))
    (last, factor) = left[0]
    return EinsumCost(macs=macs, sums=sums + factor * summed(last, needed))


def einsum_labels(
    equation: str, operands: Sequence[Sizes]
) -> tuple[list[list[str]], frozenset[str]]:
    """Return the labels of each operand and of the output, with ``...`` expanded."""
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
