"""The table of diagnostics of trained networks, usable before one of them is imported.

A diagnostic is computed from the kept weights of a candidate. Each is a class in a file of
``trained/``, and one line here.
"""

from collections.abc import Collection
from typing import Any

from ..search_space.errors import InputError
from ..search_space.plugins import add, resolved
from .metric_checks import check_evaluator
from .metrics import METRICS, Direction, Metric, describe_recorded
from .scores import ScoreEntry, read_listed

GROUP = "nas_explorer.diagnostics"
"""Group of the entry points of diagnostics."""
_CONDITIONS = ("fingerprint", "batch", "version", "dtype", "device", "torch")
"""Keys of the provenance that must be equal for two values to be comparable."""


def _line(name: str, place: str, direction: Direction, summary: str) -> ScoreEntry:
    found = Metric(
        name=name,
        unit="1",
        direction=direction,
        tier="trained",
        summary=summary,
        conditions=_CONDITIONS,
        score=True,
    )
    return ScoreEntry(metric=found, place=f"trained.{place}")


DIAGNOSTICS: dict[str, ScoreEntry] = {
    each.metric.name: each
    for each in (
        _line(
            "filter_sparsity",
            "filters:FilterSparsity",
            "minimize",
            "share of the kernels that are near zero",
        ),
        _line(
            "filter_entropy",
            "filters:FilterEntropy",
            "maximize",
            "variety of the kernels of a layer, as a share of the largest",
        ),
        _line(
            "kernel_ratio",
            "tangent:KernelRatio",
            "minimize",
            "tangent kernel of validation images by that of training images",
        ),
        _line(
            "kernel_change",
            "tangent:KernelChange",
            "maximize",
            "change of the tangent kernel by the training",
        ),
        _line(
            "layer_similarity",
            "similarity:LayerSimilarity",
            "maximize",
            "mean similarity (CKA) of the maps of two blocks",
        ),
        _line(
            "skip_ratio",
            "similarity:SkipRatio",
            "maximize",
            "log10 of the size of the stream by that of the branch",
        ),
        _line(
            "feature_entropy",
            "features:FeatureEntropy",
            "maximize",
            "entropy of the last features, as a share of the largest",
        ),
        _line(
            "feature_invariance",
            "features:FeatureInvariance",
            "maximize",
            "how well shifted and noisy images are recognised by the last features",
        ),
        _line(
            "feature_alignment",
            "uniformity:FeatureAlignment",
            "minimize",
            "squared distance of the last features of two views of an image",
        ),
        _line(
            "feature_uniformity",
            "uniformity:FeatureUniformity",
            "minimize",
            "log of the mean potential of pairs of images by their last features",
        ),
        _line(
            "linear_probe",
            "features:LinearProbe",
            "maximize",
            "explained variance of labels by ridge regression on the last features",
        ),
    )
}
"""The diagnostics by name; ``register_diagnostic`` adds to them."""
for _each in DIAGNOSTICS.values():
    describe_recorded(_each.metric)
_SHIPPED = tuple(DIAGNOSTICS)


def register_diagnostic(cls: type[Any]) -> None:
    """Add a diagnostic and its metric to the table.

    Raises:
        InputError: If the diagnostic is not well described, or its name is taken.
    """
    check_evaluator(cls)
    only: Metric = cls.metrics[0]
    if len(cls.metrics) > 1 or not only.score or only.name != cls.name:
        raise InputError(
            "a diagnostic must have one metric, of its own name and with score=True, but "
            f"{cls.__qualname__} has {', '.join(each.name for each in cls.metrics)}"
        )
    if only.name in METRICS:
        raise InputError(f"the name of a metric must be free, but got {only.name!r}")
    entry = ScoreEntry(metric=only, place=cls)
    add(DIAGNOSTICS, only.name, entry, kind="diagnostic", group=GROUP)
    describe_recorded(only)


def load_diagnostic(name: str) -> type[Any]:
    """Return the class of a diagnostic, derived from ``trained.base.Diagnostic``."""
    return resolved(DIAGNOSTICS[name].place, __name__.rpartition(".")[0])


def read_diagnostics(names: str | Collection[str]) -> tuple[str, ...]:
    """Read names of diagnostics, such as ``filter_entropy,skip_ratio``; ``all``: all shipped ones.

    Raises:
        InputError: If a name is no diagnostic; the message lists the known ones.
    """
    return read_listed(
        names, "diagnostic", rule="be of trained networks", known=DIAGNOSTICS, shipped=_SHIPPED
    )
