"""The plan of measurements of an existing study, from its record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, load_search_data
from ...evaluators.base import evaluator_of, evaluators_for, metric, metrics_of
from ...evaluators.device_name import choose_device
from ...evaluators.latency.settings import timed_as_it_counts
from ...evaluators.metrics import LATENCY
from ...evaluators.runtime_choice import optional_latencies
from ...evaluators.runtime_table import is_latency
from ...evaluators.targets import stated_target
from ...evaluators.units import read_constraint
from ...results.candidate import Candidate
from ...results.study.study import Study
from ...search_space.errors import InputError
from ..engines.base import Engine
from .own_classes import pickle_classes
from .search import absolute, make_engine, worker_count
from .start_weights import kept_start, kept_teacher
from .worker import Plan

Listener = Callable[[Candidate, str | None], None]
"""Called after each further training: the candidate as it is now, and why the training failed, or
None."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """The plan, the metrics and the engine with which candidates are trained again."""

    plan: Plan
    """Plan of the trained metrics alone, without constraints and without a folder for weights."""
    metrics: tuple[str, ...]
    """The study's trained metrics."""
    engine: Engine
    """The engine that runs the trainings."""


def training_of(study: Study, *, engine: str = "local", workers: int | None = None) -> Training:
    """Return the plan, the metrics and the engine to train candidates as the search did.

    Args:
        study: The study, whose plug-ins are loaded.
        engine: Name of the engine.
        workers: Candidates trained at once; None: one per core, or one on a GPU.

    Raises:
        InputError: If the study has no trained metric, or its data or device are not here.
    """
    settings = study.settings
    bounds = [read_constraint(each).metric for each in settings.constraints]
    counting = (*settings.objectives, *bounds)
    entries = [each for each in evaluators_for(counting) if each.tier == "trained"]
    target = stated_target(settings.data)
    metrics = tuple(each.name for each in metrics_of(entries, counting, target))
    if not metrics:
        raise InputError(f"a study must have a trained metric, but got {study.name!r} with none")
    device = choose_device(str(settings.evaluation.get("device", "cpu")))
    evaluation: dict[str, Any] = {
        **{each.name: dict(each.load().defaults) for each in entries},
        **{key: value for key, value in settings.evaluation.items() if key != "device"},
        "accuracy": dict(settings.recipe),
    }
    plan = Plan(
        metrics=metrics,
        data=_data(study).to_json(),
        cache=str(image_cache().resolve()),
        settings=evaluation,
        device=device,
        seed=settings.seed,
        start=kept_start(study.weights, settings.recipe),
        teacher=kept_teacher(study.weights, settings.recipe),
        plugins=settings.plugins,
        own=pickle_classes(entries),
    )
    made = make_engine(engine, worker_count(device, workers), device)
    return Training(plan=plan, metrics=metrics, engine=made)


def measuring_plan(study: Study, recipe: Mapping[str, Any]) -> Plan:
    """Return the plan of all measurements of a search, with another recipe of the training.

    Args:
        study: The study, whose plug-ins are loaded.
        recipe: The recipe, whose start and teacher are in the folder of the study's weights.

    Raises:
        InputError: If the study's data or device are not here, or a plug-in is missing.
    """
    settings = study.settings
    bounds = tuple(map(read_constraint, settings.constraints))
    counting = (*settings.objectives, *(each.metric for each in bounds))
    wanted = dict.fromkeys((*counting, *(each["name"] for each in settings.metrics)))
    entries = evaluators_for(tuple(wanted))
    measured = metrics_of(entries, tuple(wanted), stated_target(settings.data))
    evaluation: dict[str, Any] = {
        each.name: {**each.load().defaults, **settings.evaluation.get(each.name, {})}
        for each in entries
    }
    evaluation["accuracy"] = dict(recipe)
    return Plan(
        metrics=tuple(each.name for each in measured if each.tier != "exact"),
        data=_data(study).to_json(),
        cache=str(image_cache().resolve()),
        settings=timed_as_it_counts(evaluation, counting=counting),
        device=choose_device(str(settings.evaluation.get("device", "cpu"))),
        seed=settings.seed,
        constraints=tuple(each for each in bounds if metric(each.metric).tier != "exact"),
        optional=optional_latencies(evaluation, counting),
        start=kept_start(study.weights, recipe),
        teacher=kept_teacher(study.weights, recipe),
        plugins=settings.plugins,
        own=pickle_classes(entries),
    )


def timing_of(study: Study) -> Training:
    """Return the plan and the engine to measure the latencies that are objectives, one at a time.

    Args:
        study: The study.

    Raises:
        InputError: If its device is not here.
    """
    evaluation = study.settings.evaluation
    device = choose_device(str(evaluation.get("device", "cpu")))
    names = tuple(filter(is_latency, study.settings.objectives)) or (LATENCY.name,)
    settings = {name: dict(evaluator_of(name).load().defaults) for name in names}
    plan = Plan(
        metrics=names,
        data={},
        cache=str(image_cache().resolve()),
        settings={name: evaluation.get(name, each) for name, each in settings.items()},
        device=device,
        seed=study.settings.seed,
        plugins=study.settings.plugins,
    )
    return Training(plan=plan, metrics=names, engine=make_engine("local", 1, device))


def _data(study: Study) -> DataSpec:
    """Return the study's data with absolute paths.

    Raises:
        InputError: If they cannot be read or have changed.
    """
    spec = DataSpec.from_json(study.settings.data)
    data = load_search_data(spec, cache=image_cache())
    if data.fingerprint != study.settings.data_fingerprint:
        raise InputError(
            f"the images of study {study.name!r} must be those of its search, but "
            f"{Path(spec.path).name if spec.path else spec.name} has others now"
        )
    return absolute(data.spec)
