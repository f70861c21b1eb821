"""Runs of ONNX files in ONNX Runtime, in this process."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtimes.onnx_graph import INPUT, OUTPUT

Array = NDArray[np.float32]
_AT_ONCE = 64


def opened(data: bytes, *, threads: int = 1) -> Callable[[Array], Array]:
    """Return a function from images (N, C, H, W) to scores (N, K), both float32.

    Args:
        data: The ONNX file.
        threads: Threads of one operation.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised too
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def scores_of(run: Callable[[Array], Array], images: Array) -> Array:
    """Return the scores of many images, a batch at a time."""
    parts = [images[at : at + _AT_ONCE] for at in range(0, len(images), _AT_ONCE)]
    return np.concatenate([run(each) for each in parts])
