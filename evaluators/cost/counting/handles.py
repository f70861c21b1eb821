"""Handles that count operations of a trace: they read shapes and settings and call the formulas.

A handle has the form that fvcore's analyses take (``JitModelAnalysis.set_op_handle``), so that the
same table can be given to fvcore.
"""

import math
from collections import Counter
from collections.abc import Mapping
from functools import partial

from ....search_space.errors import InputError
from . import formulas
from .data_movement import MOVING
from .formulas import INTERPOLATION, SOFTMAX
from .operations import (
    ADAPTIVE_POOLINGS,
    COMPLEX_CONVOLUTION,
    COMPOUND,
    ELEMENTWISE,
    FFTS,
    FREE_PRIMITIVES,
    MOVES,
    NO_TENSORS,
    POOLINGS,
    PRODUCTS,
    REDUCTIONS,
    RESIZES,
    SUMS,
    TRANSPOSED_COMPLEX_CONVOLUTION,
    VIEWS,
)
from .trace_values import (
    Count,
    Handle,
    Value,
    elements,
    is_tensor,
    listed,
    number_kind,
    numbers,
    setting,
    sizes,
)


class UncountableOperation(InputError):  # noqa: N818  (names the operation, not the failure)
    """An operation without a formula, whose network has no exact cost."""

    def __init__(self, operation: str, where: str = "") -> None:
        place = f" in {where}" if where else ""
        super().__init__(
            f"every operation must be one that can be counted, but got {operation}{place}"
        )
        self.operation = operation
        """Name of the operation in the trace."""
        self.where = where
        """The component or module with the operation, and its path."""


def _complex_factor(*values: Value) -> int:
    """Return the real multiply-adds of one product of the operands: 1, 2 or 4."""
    return 2 ** min(2, sum(number_kind(value) == "complex" for value in values))


# Multiply-adds ----------------------------------------------------------------------------------


def _macs(kind: str, macs: int, out: Value) -> Count:
    return Counter({kind: macs, "activations": elements(out)})


def _convolution(inputs: list[Value], outputs: list[Value], *, transposed: bool = False) -> Count:
    x, weight = inputs[:2]
    flags = [each for each in inputs[3:] if str(each.type()) == "bool"]
    transposed = transposed or (bool(flags) and setting(flags[0]))
    macs = formulas.convolution(sizes(x), sizes(weight), sizes(outputs[0]), transposed=transposed)
    return _macs("conv", macs * _complex_factor(x, weight), outputs[0])


def _product(inputs: list[Value], outputs: list[Value], *, kind: str, left: int = 0) -> Count:
    """Count a matrix product; ``addmm`` and the like have a summand first, then two scales."""
    one, other = inputs[left : left + 2]
    macs = formulas.product(sizes(one), sizes(outputs[0]))
    counted = _macs(kind, macs * _complex_factor(one, other), outputs[0])
    scaled = sum(map(_scales, inputs[3:5])) if left else 0
    return counted + Counter({"elementwise": scaled * numbers(elements(outputs[0]), outputs[0])})


def _einsum(inputs: list[Value], outputs: list[Value]) -> Count:
    operands = listed(inputs[1])
    path = setting(inputs[2]) if len(inputs) > 2 else None
    complex_ = [number_kind(each) == "complex" for each in operands]
    cost = formulas.einsum(setting(inputs[0]), [sizes(each) for each in operands], path, complex_)
    macs = _macs("matmul", cost.macs, outputs[0]) if len(operands) > 1 else Counter[str]()
    return macs + Counter({"reduction": cost.sums})


def _attention(inputs: list[Value], outputs: list[Value]) -> Count:
    query, key, value, mask, dropout = inputs[:5]
    if setting(dropout):
        raise ValueError("active dropout")
    if number_kind(query) == "complex":
        raise ValueError("complex numbers")
    cost = formulas.attention(sizes(query), sizes(key), sizes(value))
    return Counter(
        {
            "attention": cost.macs,
            "activations": cost.scores + cost.out,
            "softmax": SOFTMAX * cost.scores,
            "elementwise": elements(query) + (cost.scores if is_tensor(mask) else 0),
        }
    )


def _recurrent(inputs: list[Value], outputs: list[Value], *, cell: int, several: bool) -> Count:
    x, state, weights = inputs[:3]
    if (
        is_tensor(weights) or is_tensor(state) is several
    ):  # a packed sequence has its batch sizes second
        raise ValueError("a packed sequence")
    if all(map(setting, inputs[5:7])):
        raise ValueError("active dropout")
    all_sizes = [sizes(each) for each in listed(weights)]
    cost = formulas.recurrent(sizes(x), sizes(outputs[-1]), all_sizes, cell=cell)
    return Counter(
        {"recurrent": cost.macs, "activations": cost.activations, "elementwise": cost.other}
    )


def _fourier(inputs: list[Value], outputs: list[Value], *, real: bool) -> Count:
    """Count ``fft_*``, with input, lengths (None: the input's) and axes (None: the last)."""
    lengths, axes = setting(inputs[1]), setting(inputs[2])
    from_real = real and number_kind(outputs[0]) == "complex"
    shape = list(sizes(inputs[0] if from_real else outputs[0]))
    if isinstance(axes, int):
        axes, lengths = [axes], lengths and [lengths]
    if axes is None:
        axes = range(-len(lengths or shape), 0)
    if from_real and lengths:
        for axis, length in zip(axes, lengths, strict=True):
            shape[axis] = length
    return Counter({"fft": formulas.fourier(shape, axes, real=real)})


# Other operations -------------------------------------------------------------------------------


def _elementwise(
    inputs: list[Value], outputs: list[Value], *, real: int = 1, complex_: int = 2
) -> Count:
    """Count elementwise work on real or complex numbers; integers and booleans are free."""
    kinds = {number_kind(each) for each in (*inputs, *outputs)}
    if "complex" in kinds:
        return Counter({"elementwise": complex_ * elements(outputs[0])})
    return Counter({"elementwise": real * elements(outputs[0])} if "real" in kinds else {})


def _sum(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``add`` and ``sub``, whose third input scales the second."""
    scaled = len(inputs) > 2 and _scales(inputs[2])
    return _elementwise(inputs, outputs, real=1 + scaled, complex_=2 + 2 * scaled)


def _compound(inputs: list[Value], outputs: list[Value], *, each: int) -> Count:
    """Count compound functions; ``addcmul`` and ``addcdiv`` also have a scale."""
    scaled = len(inputs) > 3 and _scales(inputs[3])
    return _elementwise(inputs, outputs, real=each + scaled, complex_=4 * each + 2 * scaled)


def _scales(factor: Value) -> bool:
    """Whether a factor costs a product; the factors 0 and 1 do not."""
    return setting(factor) not in (0, 1)


def _reduction(inputs: list[Value], outputs: list[Value], *, each: int, complex_: int = 2) -> Count:
    factor = {"none": 0, "real": each, "complex": each * complex_}[number_kind(inputs[0])]
    return Counter({"reduction": factor * elements(inputs[0])})


def _extreme(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``max`` and ``min`` of two tensors or along an axis."""
    if len(inputs) > 1 and is_tensor(inputs[1]):
        return _elementwise(inputs, outputs)
    return _reduction(inputs, outputs, each=1)


def _softmax(inputs: list[Value], outputs: list[Value]) -> Count:
    return Counter({"softmax": SOFTMAX * elements(outputs[0])})


def _norm(inputs: list[Value], outputs: list[Value], *, weight: int, bare: int) -> Count:
    """Count a norm with statistics of its input: ``bare`` operations per element, and one more with
    a weight."""
    each = bare + (1 if is_tensor(inputs[weight]) else 0)
    return Counter({"norm": each * elements(inputs[0])})


def _batch_norm(inputs: list[Value], outputs: list[Value]) -> Count:
    if setting(inputs[5]):
        return _norm(inputs, outputs, weight=1, bare=4)
    return _norm(inputs, outputs, weight=1, bare=1)


def _instance_norm(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count an instance norm; with fixed statistics it costs as much as a batch norm."""
    return _norm(inputs, outputs, weight=1, bare=4 if setting(inputs[5]) else 1)


def _pooling(inputs: list[Value], outputs: list[Value]) -> Count:
    kernel = setting(inputs[1])
    spatial = len(sizes(inputs[0])) - 2
    window = kernel[0] ** spatial if len(kernel) == 1 else math.prod(kernel)
    return Counter({"pooling": window * elements(outputs[0])})


def _adaptive_pooling(inputs: list[Value], outputs: list[Value]) -> Count:
    return Counter({"pooling": elements(inputs[0])})


def _resize(inputs: list[Value], outputs: list[Value], *, kind: str) -> Count:
    return Counter({"interpolation": INTERPOLATION[kind] * elements(outputs[0])})


def _grid_sampler(inputs: list[Value], outputs: list[Value]) -> Count:
    linear = "bilinear" if len(sizes(outputs[0])) == 4 else "trilinear"
    kind = (linear, "nearest", "bicubic")[setting(inputs[2])]
    return _resize(inputs, outputs, kind=kind)


def _sampling_grid(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``affine_grid``: each coordinate is a product with a row of a matrix."""
    return _macs("matmul", elements(outputs[0]) * sizes(inputs[0])[-1], outputs[0])


def _sorting(inputs: list[Value], outputs: list[Value]) -> Count:
    """Count ``sort`` and ``argsort``, whose first integer setting is the axis."""
    axis = next(each for each in map(setting, inputs[1:]) if type(each) is int)
    return Counter({"sorting": formulas.sorting(sizes(inputs[0]), axis)})


def _largest(inputs: list[Value], outputs: list[Value]) -> Count:
    axis = setting(inputs[2])
    kept = sizes(outputs[0])[axis]
    return Counter({"sorting": formulas.sorting(sizes(inputs[0]), axis, kept)})


# The table --------------------------------------------------------------------------------------


def _table() -> Mapping[str, Handle]:
    table: dict[str, Handle] = {
        "_convolution": _convolution,
        "_convolution_mode": _convolution,
        "convolution": _convolution,
        "linear": partial(_product, kind="linear"),
        "addmm": partial(_product, kind="linear", left=1),
        **{name: partial(_product, kind="matmul") for name in ("matmul", "mm", "bmm", "mv", "dot")},
        **{name: partial(_product, kind="matmul", left=1) for name in ("baddbmm", "addmv")},
        "einsum": _einsum,
        "scaled_dot_product_attention": _attention,
        "lstm": partial(_recurrent, cell=formulas.LSTM_CELL, several=True),
        "gru": partial(_recurrent, cell=formulas.GRU_CELL, several=False),
        "rnn_tanh": partial(_recurrent, cell=1, several=False),
        "rnn_relu": partial(_recurrent, cell=1, several=False),
        **{f"fft_{name}": partial(_fourier, real="r" in name) for name in FFTS},
        **{
            name: partial(_elementwise, complex_=6 if name in PRODUCTS else 2)
            for name in ELEMENTWISE
        },
        **{name: partial(_compound, each=count) for name, count in COMPOUND.items()},
        **dict.fromkeys(SUMS, _sum),
        **{
            name: partial(_reduction, each=count, complex_=6 if name in PRODUCTS else 2)
            for name, count in REDUCTIONS.items()
        },
        "max": _extreme,
        "min": _extreme,
        "softmax": _softmax,
        "log_softmax": _softmax,
        "batch_norm": _batch_norm,
        "layer_norm": partial(_norm, weight=2, bare=4),
        "group_norm": partial(_norm, weight=2, bare=4),
        "instance_norm": _instance_norm,
        "rms_norm": partial(_norm, weight=2, bare=3),
        **dict.fromkeys(POOLINGS, _pooling),
        **dict.fromkeys(ADAPTIVE_POOLINGS, _adaptive_pooling),
        **{name: partial(_resize, kind=kind) for name, kind in RESIZES.items()},
        "grid_sampler": _grid_sampler,
        "affine_grid_generator": _sampling_grid,
        "sort": _sorting,
        "argsort": _sorting,
        "topk": _largest,
        **MOVING,
    }
    table.update({f"{name}_": table[name] for name in table if not name.endswith("_")})
    named = {f"aten::{name}": handle for name, handle in table.items()}
    transposed = partial(_convolution, transposed=True)
    own = {COMPLEX_CONVOLUTION: _convolution, TRANSPOSED_COMPLEX_CONVOLUTION: transposed}
    return named | {f"prim::PythonOp.{name}": handle for name, handle in own.items()}


HANDLES: Mapping[str, Handle] = _table()
"""Handles by operation of a trace."""

FREE = (
    frozenset(f"aten::{name}" for name in VIEWS | MOVES | NO_TENSORS)
    | {f"aten::{name}_" for name in VIEWS | MOVES}
    | {f"prim::{name}" for name in FREE_PRIMITIVES}
) - HANDLES.keys()
"""Operations without cost."""


def counted(kind: str, inputs: list[Value], outputs: list[Value]) -> Count:
    """Return the cost of one operation of a kind in ``HANDLES``.

    Raises:
        UncountableOperation: If a setting that the formula needs is not known.
    """
    try:
        return HANDLES[kind](inputs, outputs)
    except ValueError as error:
        raise UncountableOperation(f"{kind} ({error})") from None
