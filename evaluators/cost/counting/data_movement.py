"""Handles of operations that move elements in some forms and calculate in others."""

from collections import Counter
from collections.abc import Mapping

from . import formulas
from .formulas import Sizes
from .trace_values import Count, Handle, Value, elements, is_tensor, listed, numbers, setting, sizes


def _scatter(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``scatter``: a fifth input names the reduction with the present elements."""
    return _scatter_sum(inputs, outputs) if len(inputs) > 4 else Counter()


def _scatter_sum(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``scatter_add``, ``scatter_reduce``: one operation per index element.

    A mean also has one division per output element.
    """
    mean = len(inputs) > 4 and setting(inputs[4]) == "mean"
    amount = elements(inputs[2]) + (elements(outputs[0]) if mean else 0)
    return Counter({"elementwise": numbers(amount, outputs[0])})


def _index_sum(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``index_add``: one sum per source element, and one product if there is a scale."""
    each = 1 if setting(inputs[4]) == 1 else 2
    return Counter({"elementwise": numbers(each * elements(inputs[3]), outputs[0])})


def _lists(value: Value) -> list[Sizes | None]:
    """Return the sizes of index lists; None for an axis that is taken whole.

    Raises:
        ValueError: If one is a mask, which selects an unknown number of elements.
    """
    found = listed(value)
    if any(is_tensor(each) and each.type().scalarType() in ("Bool", "Byte") for each in found):
        raise ValueError("a number of places that depends on a mask")
    return [sizes(each) if is_tensor(each) else None for each in found]


def _index(inputs: list[Value], outputs: list[Value]) -> Count:
    _lists(inputs[1])
    return Counter()


def _index_put(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``index_put``: one sum per index if it accumulates."""
    if not setting(inputs[3]):
        return Counter()
    amount = formulas.indexed(sizes(inputs[0]), _lists(inputs[1]))
    return Counter({"elementwise": numbers(amount, outputs[0])})


def _folding(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``col2im``, whose settings are map, window, dilation, padding and stride."""
    kernel, dilation, _, stride = map(setting, inputs[2:6])
    sums = formulas.folding(sizes(inputs[0]), kernel, dilation, stride)
    return Counter({"elementwise": numbers(sums, outputs[0])})


def _dropout(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count inactive dropout as zero."""
    if setting(inputs[1]) and setting(inputs[2]):
        raise ValueError("active dropout")
    return Counter()


def _where(inputs: list[Value], outputs: list[Value]) -> Count:
    if len(inputs) < 3:
        raise ValueError("a number of places that depends on a mask")
    return Counter()


def _one_hot(inputs: list[Value], outputs: list[Value]) -> Count:
    if setting(inputs[1]) < 0:
        raise ValueError("a size that depends on numbers")
    return Counter()


def _repetition(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``repeat_interleave`` as zero if all elements have the same number of repeats."""
    if len(inputs) < 4 or (is_tensor(inputs[1]) and sizes(inputs[1])):
        raise ValueError("a size that depends on numbers")
    setting(inputs[1])
    return Counter()


MOVING: Mapping[str, Handle] = {
    "scatter": _scatter,
    **dict.fromkeys(("scatter_add", "scatter_reduce"), _scatter_sum),
    "index_add": _index_sum,
    "index": _index,
    "index_put": _index_put,
    "col2im": _folding,
    **dict.fromkeys(("dropout", "feature_dropout"), _dropout),
    "where": _where,
    "one_hot": _one_hot,
    "repeat_interleave": _repetition,
}
"""Handles by operation, without ``aten::``. They raise ``ValueError`` for uncountable forms."""
