"""One table of ONNX operations for many exports."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch


@contextmanager
def one_table() -> Generator[None]:
    """Make torch build its table of ONNX operations once, since that takes half of each export."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    once = staticmethod(cache(ONNXRegistry.from_torchlib))
    with patch.object(ONNXRegistry, "from_torchlib", once):
        yield
