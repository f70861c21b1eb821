"""Tracing of the operations of a module's forward pass."""

import contextlib
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ....search_space.components.sharing import distinct
from .handles import FREE, HANDLES, UncountableOperation, counted
from .trace_values import Count, Value

Graph = Any
"""``torch._C.Graph``, whose inputs are the module's inputs, then its weights."""

Operation = tuple[str, list[Value], list[Value]]
"""Name, inputs and outputs of an operation."""

Build = Callable[[], tuple[nn.Module, Sequence[Tensor]]]
"""Function that makes a module and its inputs on the current device."""

Found = TypeVar("Found")

_CONVOLUTIONS = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}


class ComplexConvolution(torch.autograd.Function):
    """A convolution of complex numbers, as one operation in a trace."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, run: Callable[..., Tensor]
    ) -> Tensor:
        """Return the result of ``run``."""
        return run(x, weight, bias)


class TransposedComplexConvolution(ComplexConvolution):
    """A transposed convolution of complex numbers, as one operation in a trace."""


_TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}


class WholeConvolutions(TorchFunctionMode):
    """Makes each complex convolution one operation in a trace.

    Otherwise the trace has three real convolutions or one, depending on the device.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in _CONVOLUTIONS and func not in _TRANSPOSED:
            return func(*args, **(kwargs or {}))
        return _whole(func, *args, **(kwargs or {}))


def _whole(
    func: Any,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *args: Any,
    **settings: Any,
) -> Tensor:
    if not input.is_complex():
        return func(input, weight, bias, *args, **settings)
    if input.dim() < weight.dim():
        return _whole(func, input[None], weight, bias, *args, **settings)[0]
    one = TransposedComplexConvolution if func in _TRANSPOSED else ComplexConvolution
    return one.apply(input, weight, bias, lambda *three: func(*three, *args, **settings))  # pyright: ignore


class _PlainConvolutions(TorchFunctionMode):
    """Calls convolutions under the name that they have in a trace with real numbers.

    On the meta device ``conv2d`` is traced into torch's own Python code, which fails.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CONVOLUTIONS:
            plain = _plain_arguments(_CONVOLUTIONS[func], *args, **(kwargs or {}))
            if plain is not None:
                return torch._convolution(*plain)  # pyright: ignore
        return func(*args, **(kwargs or {}))


def _plain_arguments(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Any, ...] | None:
    """Return the arguments of ``torch._convolution``, or None for arguments of another form."""
    if isinstance(padding, str) or input.dim() != axes + 2:
        return None
    steps = [
        [each] * axes if isinstance(each, int) else each for each in (stride, padding, dilation)
    ]
    transposed, output_padding, settings = False, [0] * axes, (False, False, False, False)
    return (input, weight, bias, *steps, transposed, output_padding, groups, *settings)


class Tracer:
    """Runs modules to examine them, on the meta device or with real numbers.

    The meta device computes nothing, but its first use imports much (seconds), and every operation
    goes through Python. So small maps are always computed, and large ones until this has taken as
    long as the import would. A module that fails on the meta device is run with real numbers.
    """

    def __init__(self, patience: float = 2.0) -> None:
        """Make a tracer that may spend ``patience`` seconds of CPU time on real numbers."""
        self._patience = patience

    def see(
        self,
        build: Build,
        examine: Callable[[nn.Module, Sequence[Tensor]], Found],
        *,
        small: bool = False,
    ) -> Found:
        """Return the result of ``examine`` on the module of ``build``, in eval mode.

        The process's random state is restored.

        Args:
            build: Function that makes the module and its inputs.
            examine: Function that runs the module.
            small: Whether computing real numbers is quick.
        """

        def on(device: str) -> Found:
            with torch.device(device):
                module, inputs = build()
            return examine(module.eval(), inputs)

        state = torch.get_rng_state()
        try:
            if small:
                return on("cpu")
            if self._patience <= 0 or "torch._dynamo" in sys.modules:
                with contextlib.suppress(Exception):  # an error is raised again below
                    return on("meta")
            started = time.process_time()
            found = on("cpu")
            self._patience -= time.process_time() - started
            return found
        finally:
            torch.set_rng_state(state)


def saved_tensors(module: nn.Module) -> list[Tensor]:
    """Return the distinct parameters and persistent buffers of a module."""
    saved = module.state_dict(keep_vars=True).values()
    return distinct(each for each in saved if isinstance(each, Tensor))


def trace(module: nn.Module, inputs: Sequence[Tensor]) -> Graph:
    """Return the trace of a forward pass."""

    def run(*values: Tensor) -> Any:
        found = tree_leaves(module(*values[: len(inputs)]))
        outputs = [each for each in found if isinstance(each, Tensor)]
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    unreal = any(each.is_meta for each in inputs)
    with (
        torch.no_grad(),
        _operation_by_operation(),
        _PlainConvolutions() if unreal else contextlib.nullcontext(),
        WholeConvolutions(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", TracerWarning)
        # As torch.jit.trace, without making a module of the trace (private, as in fvcore).
        graph, _ = torch._C._create_graph_by_tracing(  # pyright: ignore
            run, [*inputs, *saved_tensors(module)], lambda value: "", True, False
        )
    return graph


@contextlib.contextmanager
def _operation_by_operation() -> Generator[None]:
    """Keep torch's transformer layers from running as one fused operation each."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def operations(graph: Graph) -> list[Operation]:
    """Return the operations of a trace in order, without constants."""
    found: list[Operation] = []
    for node in graph.nodes():
        kind = node.kind()
        if kind == "prim::Constant":
            continue
        if kind == "prim::PythonOp":
            kind = f"{kind}.{node.pyname()}"
        found.append((kind, list(node.inputs()), list(node.outputs())))
    return found


def counts(found: Sequence[Operation]) -> Count:
    """Return the total cost of the operations of a trace.

    Raises:
        UncountableOperation: If an operation has no formula.
    """
    total: Count = Counter()
    for kind, inputs, outputs in found:
        if kind in HANDLES:
            total.update(counted(kind, inputs, outputs))
        elif kind not in FREE:
            raise UncountableOperation(kind)
    return total
