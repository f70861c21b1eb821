"""The peak of the live tensors' bytes in a run, the reference for the peak memory."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Records each storage that an operation makes, once, until Python frees it."""

    def __init__(self, *held: Tensor) -> None:
        """Start to record; ``held`` are the weights, which do not count, nor do their views."""
        super().__init__()
        self.peak = self.now = 0
        self._known = {each.untyped_storage().data_ptr() for each in held}
        self._alive: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch's wrapper takes as long as the operations

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
    """Return the maximal live bytes, inputs included, in a run without gradients."""
    with torch.no_grad(), LiveTensors(*held) as live:
        for each in inputs:
            live.note(each)
        run(*inputs)
    return live.peak
