"""The operations of a module's forward pass, traced once."""

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
"""``torch._C.Graph``: its inputs are those of the module, then its weights."""

Operation = tuple[str, list[Value], list[Value]]
"""Name, inputs and outputs."""

Build = Callable[[], tuple[nn.Module, Sequence[Tensor]]]
"""Makes the module and its inputs, on the device that is current."""

Found = TypeVar("Found")

_CONVOLUTIONS = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}


class ComplexConvolution(torch.autograd.Function):
    """One operation in a trace: a convolution of complex numbers."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, run: Callable[..., Tensor]
    ) -> Tensor:
        """Return what ``run`` gives."""
        return run(x, weight, bias)


class TransposedComplexConvolution(ComplexConvolution):
    """The same, transposed."""


_TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}


class WholeConvolutions(TorchFunctionMode):
    """Makes one operation of each convolution of complex numbers, batched or not.

    Else it is in the trace as three real ones, or as one, by the device.
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
    """Calls convolutions by the name that a trace of real ones has.

    On the meta device ``conv2d`` is traced into torch's own Python code, which then fails.
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
    """Return the arguments of the same convolution, or none where it has another form."""
    if isinstance(padding, str) or input.dim() != axes + 2:
        return None
    steps = [
        [each] * axes if isinstance(each, int) else each for each in (stride, padding, dilation)
    ]
    transposed, output_padding, settings = False, [0] * axes, (False, False, False, False)
    return (input, weight, bias, *steps, transposed, output_padding, groups, *settings)


class Tracer:
    """Runs modules to see what they do, on the device where that is quicker.

    On torch's meta device nothing is computed, but its first use imports much (seconds), and every
    operation goes through Python. So small maps are always computed; large ones until that has
    taken as long. What does not work there is tried with real numbers.
    """

    def __init__(self, patience: float = 2.0) -> None:
        """Prepare; ``patience`` is the processor time in seconds to be spent on real numbers."""
        self._patience = patience

    def see(
        self,
        build: Build,
        examine: Callable[[nn.Module, Sequence[Tensor]], Found],
        *,
        small: bool = False,
    ) -> Found:
        """Return what ``examine`` finds of what ``build`` makes, in eval mode.

        The random numbers of the process are left as they were.

        Args:
            build: Makes the module and its inputs.
            examine: Runs the module.
            small: Whether real numbers are quick.
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
                with contextlib.suppress(Exception):  # what is wrong comes again below
                    return on("meta")
            started = time.process_time()
            found = on("cpu")
            self._patience -= time.process_time() - started
            return found
        finally:
            torch.set_rng_state(state)


def saved_tensors(module: nn.Module) -> list[Tensor]:
    """Return the parameters and persistent buffers of a module, shared ones once."""
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
        # What torch.jit.trace does, without making a module of the trace (private, as fvcore's).
        graph, _ = torch._C._create_graph_by_tracing(  # pyright: ignore
            run, [*inputs, *saved_tensors(module)], lambda value: "", True, False
        )
    return graph


@contextlib.contextmanager
def _operation_by_operation() -> Generator[None]:
    """Keep torch's transformer layers from being one operation each."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def operations(graph: Graph) -> list[Operation]:
    """Return the operations of a trace in their order, constants left out."""
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
    """Return what the operations of a trace cost together.

    Raises:
        UncountableOperation: If one has no formula.
    """
    total: Count = Counter()
    for kind, inputs, outputs in found:
        if kind in HANDLES:
            total.update(counted(kind, inputs, outputs))
        elif kind not in FREE:
            raise UncountableOperation(kind)
    return total
