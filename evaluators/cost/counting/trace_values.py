"""Reading the values of a trace."""

import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from .formulas import Sizes

Value = Any
"""A value of a trace, ``torch._C.Value``."""

Count = Counter[str]
"""Counts by the names of ``value.COUNTED``."""

Handle = Callable[[list[Value], list[Value]], Count]
"""Function that counts one operation from its inputs and outputs."""


def is_tensor(value: Value) -> bool:
    """Whether a value is a tensor of known sizes."""
    return value.isCompleteTensor()


def sizes(value: Value) -> Sizes:
    """Return the sizes of a tensor.

    Raises:
        ValueError: If the sizes are not known.
    """
    known = value.type().sizes()
    if known is None:
        raise ValueError("a tensor of unknown sizes")
    return known


def number_kind(value: Value) -> str:
    """Return ``"real"``, ``"complex"``, or ``"none"`` for integers, booleans and non-tensors.

    Raises:
        ValueError: If the type is not known.
    """
    if value.type().kind() != "TensorType":
        return "none"
    name = value.type().scalarType()
    if name is None:
        raise ValueError("a tensor of unknown type")
    if name.startswith("Complex"):
        return "complex"
    return "real" if name in ("Float", "Double", "Half", "BFloat16") else "none"


def listed(value: Value) -> list[Value]:
    """Return the values in a list."""
    return list(value.node().inputs())


def setting(value: Value) -> Any:
    """Return the value of a constant, of a list of constants, or of a result computed from sizes.

    Raises:
        ValueError: If the value was computed otherwise.
    """
    node = value.node()
    kind, inputs = node.kind(), list(node.inputs())
    if kind == "prim::Constant":
        constant = value.toIValue()
        return constant.item() if isinstance(constant, Tensor) else constant
    if kind == "prim::ListConstruct":
        return [setting(each) for each in inputs]
    if kind == "aten::size":
        return sizes(inputs[0])[setting(inputs[1])]
    if kind in _SAME_NUMBER:
        return setting(inputs[0])
    if kind in _ARITHMETIC:
        return _ARITHMETIC[kind](setting(inputs[0]), setting(inputs[1]))
    raise ValueError("a setting computed at run time")


_SAME_NUMBER = ("prim::NumToTensor", "aten::Int", "aten::IntImplicit", "aten::ScalarImplicit")

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "aten::add": operator.add,
    "aten::sub": operator.sub,
    "aten::rsub": lambda one, other: other - one,
    "aten::mul": operator.mul,
    "aten::floor_divide": operator.floordiv,
    "aten::remainder": operator.mod,
}


def elements(value: Value) -> int:
    """Return the number of elements of a tensor."""
    return math.prod(sizes(value))


def numbers(amount: int, like: Value) -> int:
    """Return the real operations of ``amount`` sums of numbers like ``like``; 0 for integers."""
    return {"none": 0, "real": 1, "complex": 2}[number_kind(like)] * amount
