"""Counts by fvcore on a whole module with our handles, the reference for our sums."""

import torch
from torch import Tensor, nn

from .counting.handles import FREE, HANDLES
from .counting.trace import WholeConvolutions
from .value import COUNTED


def fvcore_counts(module: nn.Module, *inputs: Tensor) -> dict[str, int]:
    """Return fvcore's counts of ``value.COUNTED`` in one trace of a whole module.

    Args:
        module: The module, in eval mode.
        inputs: A batch of one image.
    """
    from fvcore.nn.jit_analysis import JitModelAnalysis

    analysis = JitModelAnalysis(module, inputs)
    analysis.set_op_handle(**HANDLES, **dict.fromkeys(FREE)).uncalled_modules_warnings(False)
    with torch.no_grad(), WholeConvolutions():
        found = analysis.by_operator()
    missed = analysis.unsupported_ops()
    assert not missed, f"fvcore met operations without a handle: {missed}"
    return {name: int(found[name]) for name in COUNTED}
