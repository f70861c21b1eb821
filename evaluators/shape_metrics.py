"""Exact metrics of the shape of a network, for bounds that follow guidelines of papers."""

from functools import partial

from .metrics import Metric

LARGE = 7
"""Least side of a kernel that counts as large."""

_shape = partial(Metric, unit="1", tier="exact", direction="minimize")

SHAPE_METRICS = (
    _shape(name="blocks", summary="blocks with layers, over all stages"),
    _shape(
        name="aspect",
        summary="blocks by the geometric mean of their channels (Roberts et al., 2022: L14; Brown "
        "et al., 2022: L20; Zagoruyko and Komodakis, 2016: L21)",
    ),
    _shape(
        name="largest_kernel",
        summary="side of the largest kernel of a token mixer; 0 if none has a kernel_size (Wang et "
        "al., Lite Pose, 2022: L06)",
    ),
    _shape(
        name="large_kernels",
        summary=f"token mixers with a kernel_size of {LARGE} or more: a few are enough, and depth "
        "is for small ones (Ding et al., UniRepLKNet, 2024: L12, L16)",
    ),
    _shape(
        name="heads",
        summary="attention heads, over all blocks (Brown et al., 2022: L20)",
    ),
    _shape(
        name="least_head_dim",
        direction="maximize",
        summary="smallest dimension of a head; a mixer without heads counts as one head of all its "
        "channels (Amsel et al., 2024: L08; Kajitsuka and Sato, 2024: L01)",
    ),
)
"""The metrics of one evaluator, measured where one of them is asked for."""
