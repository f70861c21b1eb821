"""The bytes of the tensors that are alive while something runs: what peak memory must be."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Notes each storage that an operation gives, once, until Python frees it."""

    def __init__(self, *held: Tensor) -> None:
        """Start; ``held`` are the weights: neither they nor views of them count."""
        super().__init__()
        self.peak = self.now = 0
        self._known = {each.untyped_storage().data_ptr() for each in held}
        self._alive: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for each in tree_leaves(found):
            if isinstance(each, Tensor):
                self.note(each)
        self.peak = max(self.peak, self.now)
        return found

    def note(self, tensor: Tensor) -> None:
        """Count a tensor from now on."""
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if not size or place in self._alive or place in self._known:
            return
        self._alive.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, place, size)

    def _freed(self, place: int, size: int) -> None:
        self._alive.discard(place)
        self.now -= size


def live_peak(run: Callable[..., object], *inputs: Tensor, held: list[Tensor]) -> int:
    """Return the most bytes alive at one time, the inputs among them; no gradients are kept."""
    with torch.no_grad(), LiveTensors(*held) as live:
        for each in inputs:
            live.note(each)
        run(*inputs)
    return live.peak
