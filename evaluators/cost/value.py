"""The cost of a part, a module or a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ADDITIVE_METRICS = ("params", "macs", "activations", "param_bytes")
"""Names of the exact metrics that are sums over parts."""

EXACT_METRICS = (*ADDITIVE_METRICS, "peak_memory")
"""Names of all exact metrics."""

MAC_KINDS = ("attention", "conv", "fft", "linear", "matmul", "recurrent")
"""Kinds of operations that consist of multiply-adds."""

OTHER_KINDS = (
    "elementwise",
    "interpolation",
    "norm",
    "pooling",
    "reduction",
    "softmax",
    "sorting",
)
"""Kinds of operations that are counted apart from MACs."""

COUNTED = ("activations", *MAC_KINDS, *OTHER_KINDS)
"""All quantities counted for the operations of a trace."""

COLUMNS = ("params", "param_bytes", *COUNTED, "training_params", "training_macs")
"""All quantities that are sums over the parts of a network."""

Row = tuple[int, ...]
"""Values of ``COLUMNS``, then the working memory: the most live bytes beside the inputs."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one forward pass of one image in eval mode; ``docs/costs.md`` has the rules.

    Modules that fold are counted in their folded form.
    """

    params: int
    """Trainable parameters; shared parameters count once."""
    param_bytes: int
    """Bytes of the saved tensors: parameters and persistent buffers, floats as float32."""
    activations: int
    """Elements of the outputs of convolutions and matrix products, attention matrices included."""
    macs_by_kind: Mapping[str, int]
    """Multiply-adds by kind of operation, a key for each of ``MAC_KINDS``."""
    other_by_kind: Mapping[str, int]
    """Other operations by kind, a key for each of ``OTHER_KINDS``."""
    peak_memory: int
    """The most bytes of maps alive at one time in a run, in float32, without weights."""
    training_params: int
    """Trainable parameters of the training form; ``params`` where nothing folds."""
    training_macs: int
    """Multiply-adds of the training form; ``macs`` where nothing folds."""

    @property
    def macs(self) -> int:
        """Multiply-adds of all kinds."""
        return sum(self.macs_by_kind.values())

    @property
    def other(self) -> int:
        """Other operations of all kinds."""
        return sum(self.other_by_kind.values())

    @classmethod
    def from_row(cls, row: Sequence[int], peak_memory: int) -> "Cost":
        """Make a cost from the values of ``COLUMNS`` and the peak memory."""
        values = dict(zip(COLUMNS, map(int, row), strict=True))
        return cls(
            params=values["params"],
            param_bytes=values["param_bytes"],
            activations=values["activations"],
            macs_by_kind={kind: values[kind] for kind in MAC_KINDS},
            other_by_kind={kind: values[kind] for kind in OTHER_KINDS},
            peak_memory=peak_memory,
            training_params=values["training_params"],
            training_macs=values["training_macs"],
        )
