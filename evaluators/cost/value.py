"""The cost of a part, a module or a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ADDITIVE_METRICS = ("params", "macs", "activations", "param_bytes")
"""Names of the exact metrics that are sums over the parts."""

EXACT_METRICS = (*ADDITIVE_METRICS, "peak_memory")
"""Names of all exact metrics."""

MAC_KINDS = ("attention", "conv", "fft", "linear", "matmul", "recurrent")
"""Kinds of operations whose work is multiply-adds."""

OTHER_KINDS = (
    "elementwise",
    "interpolation",
    "norm",
    "pooling",
    "reduction",
    "softmax",
    "sorting",
)
"""Kinds of operations whose work is counted apart from the MACs."""

COUNTED = ("activations", *MAC_KINDS, *OTHER_KINDS)
"""What the operations of a trace are counted in."""

COLUMNS = ("params", "param_bytes", *COUNTED, "training_params", "training_macs")
"""What adds up over the parts of a network."""

Row = tuple[int, ...]
"""The values of ``COLUMNS``, then the working memory: the most bytes alive beside the inputs."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one forward pass for one image costs, in eval mode; ``docs/costs.md`` has the rules.

    What folds once it is trained is counted in its folded form.
    """

    params: int
    """Trainable parameters; shared ones once."""
    param_bytes: int
    """Bytes of what is saved of it: parameters and persistent buffers, numbers as float32."""
    activations: int
    """Elements of the outputs of convolutions and matrix products, written-out attention
    matrices among them."""
    macs_by_kind: Mapping[str, int]
    """Multiply-adds by kind of operation, a key for each of ``MAC_KINDS``."""
    other_by_kind: Mapping[str, int]
    """Other operations by kind, a key for each of ``OTHER_KINDS``."""
    peak_memory: int
    """The most bytes of maps that are alive at one time in a run, in float32; without weights."""
    training_params: int
    """Trainable parameters of the form that is trained; ``params`` where nothing folds."""
    training_macs: int
    """Multiply-adds of the form that is trained; ``macs`` where nothing folds."""

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
        """Make a cost of the values of ``COLUMNS`` and the peak."""
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
