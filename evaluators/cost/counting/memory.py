"""Memory of the feature maps of one forward pass: the tensors alive while it runs."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ....search_space.architecture.live_memory import FLOAT_BYTES

_LSTM = torch._VF.lstm  # pyright: ignore
"""The function of ``nn.LSTM``."""

_LSTM_LAYER: Any = torch.ops.aten.mkldnn_rnn_layer
"""The operation of one layer and direction on the CPU; its kind 2 is an LSTM."""

_FLASH = 1
"""Torch's number of the attention without stored scores (``torch.nn.attention.SDPBackend``)."""


def working_memory(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return the most bytes alive at one time while a module runs, beside its inputs and weights.

    The inputs are kept throughout. The result is the larger of the two memory layouts (contiguous,
    channels last).

    Floating-point numbers of all types count as float32.

    Args:
        module: The module, in eval mode.
        inputs: Inputs on the device of the weights; on the meta device nothing is computed.
    """
    layouts = [list(inputs)]
    last = [_channels_last(each) for each in inputs]
    if any(one.stride() != other.stride() for one, other in zip(inputs, last, strict=True)):
        layouts.append(last)
    return max(_peak(module, each) for each in layouts)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _peak(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    unreal = any(each.is_meta for each in inputs)
    with (
        torch.no_grad(),
        _FusedOfCpu() if unreal else contextlib.nullcontext(),
        LiveBytes(inputs[0].device) as live,
    ):
        module(*inputs)
    return live.peak


class LiveBytes(TorchDispatchMode):
    """Follows every storage made by an operation on a device until it is freed.

    Storages that no operation has made do not count: weights and inputs.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device
        self.peak = 0
        """The most bytes alive at one time."""
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}
        self._given: dict[int, StorageWeakRef] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Torch's own wrapper of this method imports its compiler (seconds) and costs as much per
        # operation as the operation.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count its outputs while its inputs are alive."""
        kwargs = kwargs or {}
        for storage, _ in _storages((*args, *kwargs.values())):
            if storage._cdata not in self._made and storage._cdata not in self._given:
                self._given[storage._cdata] = StorageWeakRef(storage)
        found = func(*args, **kwargs)
        alive = {key: made for key, made in self._made.items() if not made[0].expired()}
        for storage, like in _storages((found,)):
            if storage._cdata not in self._given and storage.device == self._device:
                size = float32_bytes(like, storage.nbytes() // like.element_size())
                alive[storage._cdata] = StorageWeakRef(storage), size
        self._made = alive
        self.peak = max(self.peak, sum(size for _, size in alive.values()))
        return found


def _storages(values: Iterable[Any]) -> list[tuple[Any, Tensor]]:
    """Return the storages of the tensors among values, and in lists among them.

    ``torch.utils._pytree`` supports more containers, but would take most of the time.
    """
    found: list[tuple[Any, Tensor]] = []
    for each in values:
        if isinstance(each, Tensor):
            found.append((each.untyped_storage(), each))
        elif isinstance(each, list | tuple):
            found += _storages(cast(Iterable[Any], each))
    return found


def float32_bytes(like: Tensor, elements: int) -> int:
    """Return the bytes of ``elements`` of a tensor's type, with any float type as float32."""
    if like.is_complex():
        return 2 * FLOAT_BYTES * elements
    return (FLOAT_BYTES if like.is_floating_point() else like.element_size()) * elements


class _FusedOfCpu(TorchFunctionMode):
    """Gives attention and LSTMs on the meta device the memory that they take on the CPU.

    Torch would otherwise write out all scores, and all gates of each position, on the meta device.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention and args[0].is_meta:
            return _attention(*args, **(kwargs or {}))
        if func is _LSTM and args[0].is_meta and isinstance(args[1], tuple | list):
            layers, directions = args[4], 2 if args[7] else 1
            if len(args[2]) == 4 * layers * directions:  # with biases, without projections
                return _lstm(*args)
        return func(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    # Uninitialised memory: torch only reads sizes, strides and types.
    like = [
        each if each is None else torch.empty_strided(each.shape, each.stride(), dtype=each.dtype)
        for each in (query, key, value, attn_mask)
    ]
    settings: dict[str, Any] = {"scale": scale, "enable_gqa": enable_gqa}
    chosen = torch._fused_sdp_choice(*like, dropout_p, is_causal, **settings)  # pyright: ignore
    three = query, key, value
    if chosen != _FLASH:
        return F.scaled_dot_product_attention(*three, attn_mask, dropout_p, is_causal, **settings)
    flash: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return flash(*three, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]


def _lstm(
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: bool,
    layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs of an LSTM, by the operation that the CPU runs for each layer and
    direction.
    """
    ways = 2 if bidirectional else 1
    x = held = (x.transpose(0, 1) if batch_first else x).contiguous()
    last: list[tuple[Tensor, Tensor]] = []
    for layer in range(layers):
        found: list[Tensor] = []
        for way in range(ways):
            number = layer * ways + way
            mine = weights[4 * number : 4 * number + 4]
            hidden, cell = (state[number] for state in states)
            settings = (hidden.shape[-1], layers, biases, bidirectional, False, training)
            y, *ends, _ = _LSTM_LAYER(x, *mine, hidden, cell, bool(way), [], 2, *settings)
            found.append(y)
            last.append((ends[0], ends[1]))
        x = torch.cat(found, dim=-1) if bidirectional else found[0]
    hidden, cell = (torch.stack([pair[place] for pair in last]) for place in (0, 1))
    del held  # torch, too, keeps the input in its order up to here
    return x.transpose(0, 1) if batch_first else x, hidden, cell
