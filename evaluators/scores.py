"""The table of training-free scores, usable before one of them is imported.

A score is computed from one untrained network. Each is a class in a file of ``training_free/``,
and one line here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..search_space.errors import InputError, unknown_name
from .metrics import METRICS, Direction, Metric, Tier, is_known, metric, split_recipe

_CONDITIONS = ("images", "batch", "version", "dtype", "device", "torch")
"""Keys of the provenance that must be equal for two values to be comparable."""


@dataclass(frozen=True, kw_only=True)
class ScoreEntry:
    """An entry of the table of scores."""

    metric: Metric
    """The metric that the score is."""
    place: str | type[Any]
    """The class that computes the score, or its module in this package and its name."""


def _line(
    name: str, place: str, direction: Direction, summary: str, tier: Tier = "measured"
) -> ScoreEntry:
    found = Metric(
        name=name,
        unit="1",
        direction=direction,
        tier=tier,
        summary=summary,
        conditions=() if tier == "exact" else _CONDITIONS,
        score=True,
    )
    return ScoreEntry(metric=found, place=f"training_free.{place}")


SCORES: Mapping[str, ScoreEntry] = {
    each.metric.name: each
    for each in (
        _line("log_params", "log_params:LogParams", "maximize", "log of the parameters", "exact"),
        _line("log_macs", "log_macs:LogMacs", "maximize", "log of the MACs", "exact"),
        _line("grad_norm", "grad_norm:GradNorm", "maximize", "norms of the gradients, summed"),
        _line("snip", "snip:Snip", "maximize", "sum of abs(weight x gradient)"),
        _line("synflow", "synflow:SynFlow", "maximize", "log of the summed flow through weights"),
        _line("naswot", "naswot:Naswot", "maximize", "log-determinant of the sign codes' kernel"),
        _line("zico", "zico:Zico", "maximize", "mean by deviation of gradients over batches, log"),
        _line("zen", "zen:Zen", "maximize", "log of the change of features by a changed image"),
        _line("deepmad", "deepmad:DeepMad", "maximize", "entropy of a network of convolutions"),
        _line("ntk_condition", "ntk:NtkCondition", "minimize", "log10 condition of the NTK"),
        _line(
            "receptive_field",
            "receptive_field:ReceptiveField",
            "maximize",
            "share of the pixels with 95 % of the gradient of the central feature",
        ),
        _line(
            "signal_drift",
            "signal_drift:SignalDrift",
            "minimize",
            "log10 change of the size of features and gradients through the stages",
        ),
        _line(
            "depth_to_width",
            "depth_to_width:DepthToWidth",
            "minimize",
            "layers with weights by the geometric mean of their inputs",
        ),
        _line(
            "head_rank",
            "head_rank:HeadRank",
            "maximize",
            "smallest head dimension of attention as a share of the width",
        ),
        _line(
            "random_features",
            "random_features:RandomFeatures",
            "maximize",
            "explained variance of labels by ridge regression on untrained features",
        ),
    )
}
"""The shipped scores by name."""

ALL = "all"
"""The name that stands for all shipped scores."""


def read_scores(names: str | Collection[str]) -> tuple[str, ...]:
    """Read names of scores, such as ``naswot,zico``; ``all`` stands for all shipped ones.

    Raises:
        InputError: If a name is no score; the message lists the known ones.
    """
    known = [name for name, each in METRICS.items() if each.score]
    return read_listed(
        names, "score", rule="be training-free scores", known=known, shipped=tuple(SCORES)
    )


def read_listed(
    names: str | Collection[str],
    kind: str,
    *,
    rule: str,
    known: Collection[str],
    shipped: tuple[str, ...],
) -> tuple[str, ...]:
    """Read names of one kind of metric, separated by commas, each once.

    Args:
        names: The names; ``all`` stands for all shipped ones.
        kind: The kind in the singular, for messages.
        rule: What metrics of that kind must be, for messages.
        known: Names of that kind.
        shipped: Names of the shipped ones.

    Raises:
        InputError: If a name is not of that kind; the message lists the known ones.
    """
    listed = names.split(",") if isinstance(names, str) else names
    found: list[str] = []
    for each in listed:
        name = each.strip().lower()
        if name == ALL:
            found += shipped
        elif name in known:
            found.append(name)
        elif is_known(name):
            raise InputError(
                f"{kind}s must {rule} ({', '.join((ALL, *known))}), but got {name!r}, which is none"
            )
        else:
            raise unknown_name(kind, name, (ALL, *known))
    return tuple(dict.fromkeys(found))


def check_not_ranking(names: Collection[str]) -> None:
    """Check that no metric that decides which candidate is better is a training-free score.

    Args:
        names: The objectives and the metrics with bounds.

    Raises:
        InputError: If one is.
    """
    for each in names:
        found = metric(each)
        options = split_recipe(each)[1]
        if options is not None:
            raise InputError(
                f"objectives and bounds must not be scores with other recipe options, but got "
                f"{each!r}: nas fidelity --recipe {options} measures it after the search"
            )
        if found.score and found.tier == "trained":
            raise InputError(
                f"objectives and bounds must not be diagnostics of trained networks, but got "
                f"{each!r}: nas fidelity --diagnostics {each} measures it after the search"
            )
        if found.score:
            raise InputError(
                f"objectives and bounds must not be training-free scores, but got {each!r}: scores "
                f"follow the size of a network (nas fidelity); --scores {each} records it beside "
                "accuracy, and --rank-by-score ranks by it all the same"
            )
