"""Baselines of a study: well-known networks scaled to its budget and trained by its recipe."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, load_search_data
from ...evaluators.base import metric
from ...evaluators.cost.cost import EXACT_METRICS, architecture_cost
from ...evaluators.scaling import scaled
from ...evaluators.units import read_constraint, write_value
from ...results.analysis.front import best, pareto_front
from ...results.study.study import Study
from ...search_space.architecture.architecture import Architecture
from ...search_space.baselines import BASELINES
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import InputError
from ...search_space.scale_to import TOLERANCE, Scaled
from ...search_space.scaling_rules import RULES
from ...search_space.shapes import Shape
from .additions import Added, Addition, Listener, add_candidates
from .ledger import Ledger

_RULE = RULES["compound"].keeping_resolution()


@dataclass(frozen=True, kw_only=True)
class ScaledBaseline:
    """A network scaled to a budget."""

    title: str
    """Its name on fronts and in tables."""
    target: Constraint
    """The cost that it was scaled to."""
    scaled: Scaled
    """The network."""


def budgets(study: Study) -> tuple[Constraint, ...]:
    """Return what baselines are scaled to: a study's upper bounds on exact costs, else the
    multiply-adds of its best candidate.

    Raises:
        InputError: If the study has no complete candidate either.
    """
    bounds = [read_constraint(each) for each in study.settings.constraints]
    found = [
        replace(each, low=value, high=value)
        for each in bounds
        if each.metric in EXACT_METRICS
        and math.isfinite(each.high)
        and (value := each.high / (1 + TOLERANCE)) > 0
    ]
    if found:
        return tuple(found)
    objectives = study.settings.objectives
    front = pareto_front(study.candidates(), objectives)
    if not front:
        raise InputError(
            f"baselines must have a budget: study {study.name!r} has no bound and no complete "
            "candidate, so name one, such as --to macs=1e6"
        )
    trained = [name for name in objectives if metric(name).tier == "trained"]
    leader = best(front, (trained or list(objectives))[0])
    value = float(architecture_cost(leader.architecture).macs)
    return (Constraint(metric="macs", low=value, high=value),)


def study_images(study: Study) -> tuple[Shape, int]:
    """Return the shape of a study's images, and the number of outputs.

    Raises:
        InputError: If its data cannot be read.
    """
    data = load_search_data(DataSpec.from_json(study.settings.data), cache=image_cache())
    return Shape(data.channels, data.resolution, data.resolution), len(data.classes)


def scaled_baselines(
    study: Study,
    names: Sequence[str],
    targets: Sequence[Constraint],
    find: Callable[[str], Architecture],
) -> tuple[list[ScaledBaseline], list[str]]:
    """Return the baselines scaled to each target, and why others are not.

    A network without a size within 2 % is the nearest.

    Args:
        study: The study.
        names: Names of ``BASELINES``, or other networks.
        targets: The costs; with bounds of the study, a network keeps them all.
        find: Finds another network by its name.
    """
    images, classes = study_images(study)
    found: list[ScaledBaseline] = []
    refused: list[str] = []
    for name in names:
        known = BASELINES.get(name.lower())
        title = name if known is None else known.title
        try:
            if known is None:
                base = replace(find(name), input=images, classes=classes)
            else:
                base = known.make(images, classes)
            made = [(each, scaled(base, _RULE, each)) for each in targets]
        except InputError as error:
            refused.append(f"{title}: {error}")
            continue
        found += [
            ScaledBaseline(title=_titled(title, each, len(made)), target=each, scaled=result)
            for each, result in made
        ]
    return found, refused


def keeping_all(found: Sequence[ScaledBaseline]) -> list[ScaledBaseline]:
    """Return for each network the least of those that were scaled to the bounds of a study."""
    least: dict[str, ScaledBaseline] = {}
    for each in found:
        title = each.title.partition(" (")[0]
        had = least.get(title)
        if had is None or _macs(each) < _macs(had):
            least[title] = replace(each, title=title)
    return list(least.values())


def _macs(found: ScaledBaseline) -> int:
    return architecture_cost(found.scaled.architecture).macs


def _titled(title: str, target: Constraint, count: int) -> str:
    return title if count == 1 else f"{title} ({target_text(target)})"


def target_text(target: Constraint) -> str:
    """Return a target as text."""
    return f"{target.metric}={write_value(target.metric, target.low)}"


def add_baselines(
    study: Study,
    found: Sequence[ScaledBaseline],
    ledger: Ledger,
    listener: Listener,
    *,
    on_front: bool = False,
    workers: int | None = None,
) -> list[Added]:
    """Train baselines as the search trains its candidates.

    Args:
        study: The study, whose plug-ins are loaded.
        found: The baselines.
        ledger: Ledger of the time of this run.
        listener: Called with what is done.
        on_front: Whether they are candidates of the front; else they are shown beside it.
        workers: Networks trained at once; None: one per core, or one on a GPU.

    Raises:
        InputError: As for ``add_candidates``.
    """
    additions = [
        Addition(
            architecture=each.scaled.architecture,
            origin={
                "baseline": each.title,
                "on_front": on_front,
                "network": f"baseline {each.title}",
                "method": f"scaling ({each.scaled.rule.name})",
                "to": [target_text(each.target)],
            },
        )
        for each in found
    ]
    return add_candidates(study, additions, ledger, listener, workers=workers)
