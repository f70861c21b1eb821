"""A complete search from its options: data, space, study, searcher, engine."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, SearchData, load_search_data
from ...evaluators.accuracy.target_metrics import check_metrics
from ...evaluators.accuracy.training.losses import check_recipe
from ...evaluators.base import Entry, Setup, evaluators_for, metric, metrics_of
from ...evaluators.cost.cost import additive_costs
from ...evaluators.cost.value import EXACT_METRICS
from ...evaluators.device_name import choose_device
from ...evaluators.latency.settings import timed_as_it_counts
from ...evaluators.metrics import MAIN_METRICS
from ...evaluators.runtime_choice import optional_latencies, set_runtimes
from ...evaluators.runtimes.exportable import exportable_to
from ...evaluators.units import read_constraint, write_bounds
from ...results.settings import StudySettings
from ...results.study.run_time import RunTime
from ...results.study.storage import weights_folder
from ...results.study.study import Study
from ...search_space.constraints.build_cost_table import build_cost_table
from ...search_space.constraints.constraint import Constraint
from ...search_space.constraints.relaxations import relaxations
from ...search_space.errors import InputError, WorkError
from ...search_space.files import load_space
from ...search_space.space import SearchSpace
from ..base import Knowledge, Objective
from ..engines import load_engine
from ..engines.base import Engine
from ..names import DEFAULT
from ..table import make_searcher
from .continued import continued
from .first_candidates import first_candidates, first_proposals
from .forecast import LatencyForecast
from .joined_loop import JoinedLoop
from .ledger import Ledger
from .loop import Listener, SearchLoop
from .options import SearchOptions
from .own_classes import pickle_classes
from .recipe_options import chosen_recipe
from .remeasure import Here, check_latency, check_measured, measured_here, remeasure, timed_here
from .rough_costs import rough_costs
from .scheduler import halving_of, halving_text, remove_checkpoints, scheduler_settings
from .score_features import ScoreFeatures
from .start_weights import kept_start, kept_teacher
from .worker import Plan

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A search that is ready to run, after all checks of the user's input."""

    options: SearchOptions
    """Options of the search."""
    space: SearchSpace
    """The space, bound to the data."""
    data: SearchData
    """Images for training and validation."""
    study: Study
    """The study."""
    plan: Plan
    """The plan of the workers' measurements."""
    evaluators: tuple[Entry, ...]
    """The evaluators, cheapest first."""
    workers: int
    """Candidates measured at once."""
    here: Here
    """Present conditions of each measured latency."""
    ledger: Ledger
    """Ledger of the run's time, which began with the preparation."""
    notes: tuple[str, ...] = ()
    """Notes for the user, one line each."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The result of a run."""

    fresh: int
    """Candidates finished by this run."""
    finished: int
    """Total number of finished candidates in the study."""
    exhausted: bool
    """Whether the space was exhausted."""
    duplicates: int
    """Number of proposals found in the record, which do not count for the budget."""
    time: RunTime
    """Where the wall time of this run went."""
    cut_short: bool = False
    """Whether the longest time of the run was up before the budget was spent."""

    @property
    def overhead(self) -> float:
        """Share of the work, without starts and waits, that the searching process did."""
        own, workers = (
            sum(spent for name, spent in each.items() if name not in ("starting", "idle"))
            for each in (self.time.search, self.time.workers)
        )
        return own / (own + workers) if own else 0.0


def prepare(options: SearchOptions, ledger: Ledger | None = None) -> Prepared:
    """Return a search that is ready to run: space and data read, study opened.

    Args:
        options: Options of the search.
        ledger: Ledger of the run, if its time began before this call.

    Raises:
        InputError: If an input of the user cannot be used.
    """
    ledger = ledger or Ledger()
    load_engine(options.engine)
    constraints = tuple(map(read_constraint, options.constraints))
    device = choose_device(options.device)
    space = load_space(options.space) if isinstance(options.space, str) else options.space
    data = load_search_data(_data_spec(options, space), cache=image_cache())
    if not options.objectives:
        options = replace(options, objectives=(MAIN_METRICS[data.target].name, "macs"))
    space = space.bind(
        channels=data.channels, resolution=data.resolution, classes=len(data.classes)
    )
    if options.exportable_to:
        space = space.only(exportable_to(options.exportable_to))
    if options.any_resolution:
        space = space.any_resolution()
    exact = tuple(each for each in constraints if each.metric in EXACT_METRICS)
    rest = tuple(each for each in constraints if each.metric not in EXACT_METRICS)
    counting = (*options.objectives, *(each.metric for each in constraints))
    check_metrics(counting, data)
    wanted = (*counting, *options.recorded_latencies)
    evaluators = {each.name: each for each in evaluators_for(wanted)}
    evaluation = {name: dict(each.load().defaults) for name, each in evaluators.items()}
    set_runtimes(
        evaluation,
        options.runtime,
        device_command=options.device_command,
        latency_from=options.latency_from,
    )
    recipe, start, teacher = chosen_recipe(options, data, evaluators)
    evaluation["accuracy"] = recipe.to_json()
    stated = timed_as_it_counts(evaluation, counting=counting)  # of parts too is a run's option
    kept = {name: each for name, each in stated.items() if each and name != "accuracy"}
    metrics = metrics_of(evaluators.values(), wanted, data.target)
    check_recipe(recipe, data)
    scored = map(metric, options.scores)
    settings = StudySettings(
        space_name=space.name,
        space_digest=space.digest,
        space=space.source,
        data=data.spec.to_json(),
        data_fingerprint=data.fingerprint,
        objectives=options.objectives,
        constraints=tuple(str(each) for each in constraints),
        searcher=options.searcher or DEFAULT,
        seed=options.seed,
        recipe=recipe.to_json(),
        evaluation={"device": device, **kept},
        metrics=tuple(each.to_json() for each in dict.fromkeys((*metrics, *scored))),
        plugins=options.plugins,
        scores=options.scores,
        scheduler=scheduler_settings(options, recipe.epochs, evaluators),
    )
    steered = _steered(space, exact)
    first = first_candidates(options, space, steered)
    settings, name = continued(options, replace(settings, first=first.stored))
    for each in evaluators_for(settings.scores, always=False):
        evaluation.setdefault(each.name, dict(each.load().defaults))
        evaluators.setdefault(each.name, each)
    study = Study.create_or_open(name, options.storage, settings)
    folder = weights_folder(name, options.storage)
    plan = Plan(
        metrics=tuple(
            each.name
            for each in dict.fromkeys((*metrics, *map(metric, settings.scores)))
            if each.tier != "exact"
        ),
        data=absolute(data.spec).to_json(),
        cache=str(image_cache().resolve()),
        settings=timed_as_it_counts(evaluation, counting=counting, parts=options.predict_latency),
        device=device,
        seed=options.seed,
        constraints=rest,
        optional=optional_latencies(evaluation, counting),
        weights=str(folder),
        start=kept_start(folder, recipe.to_json(), start),
        teacher=kept_teacher(folder, recipe.to_json(), teacher),
        plugins=options.plugins,
        own=pickle_classes(evaluators.values()),
    )
    if options.ray_address is None:  # the nodes of a cluster are not known in advance
        check_measured(study, plan, dict.fromkeys(counting))
    here = timed_here(plan, cluster=options.ray_address is not None)
    notes = check_latency(
        study,
        here,
        counting=counting,
        again=options.remeasure,
        constraints=plan.constraints,
    )
    halving = halving_of(study.settings)
    return Prepared(
        options=options,
        space=steered,
        data=data,
        study=study,
        plan=plan,
        evaluators=tuple(evaluators.values()),
        workers=worker_count(device, options.workers),
        here=here,
        ledger=ledger,
        notes=(
            *first.notes,
            *((halving_text(halving, recipe.epochs),) if halving else ()),
            *notes,
        ),
    )


def run(prepared: Prepared, listener: Listener) -> Summary:
    """Run the search until its budget is spent or the space is exhausted."""
    options, ledger = prepared.options, prepared.ledger
    objectives = tuple(
        Objective(metric=name, direction=metric(name).direction, share=metric(name).share)
        for name in options.objectives
    )
    searcher = make_searcher(
        prepared.study.settings.searcher,
        space=prepared.space,
        objectives=objectives,
        seed=options.seed,
        knowledge=_knowledge(options, prepared),
    )
    engine = make_engine(
        options.engine,
        prepared.workers,
        prepared.plan.device,
        time_limit=options.time_limit,
        address=options.ray_address,
    )
    study = prepared.study
    bounds = (read_constraint(each).metric for each in options.constraints)
    conditions = measured_here(
        prepared.plan,
        prepared.here,
        (*options.objectives, *bounds),
        cluster=options.ray_address is not None,
    )
    with (
        study.joined(conditions=conditions) if options.join else study.exclusive(),
        recorded_time(study, ledger, engine),
    ):
        if options.remeasure:
            with ledger.clock.doing("remeasuring"):
                remeasure(study, prepared.plan, engine, prepared.here, ledger)
        loop = (JoinedLoop if options.join else SearchLoop)(
            study=study,
            searcher=searcher,
            exact=[
                each.load().make(Setup(settings=prepared.plan.settings[each.name]))
                for each in prepared.evaluators
                if each.tier == "exact"
            ],
            constraints=prepared.plan.constraints,
            budget=options.budget,
            lag=1 if prepared.workers == 1 else 2 * prepared.workers,
            listener=listener,
            ledger=ledger,
            max_time=options.max_time,
            halving=halving_of(study.settings),
            first=first_proposals(study.settings, prepared.space),
            forecast=_forecast(prepared) if options.predict_latency else None,
        )
        engine.run(loop, prepared.plan)
        cut_short = loop.cut_short  # now, since it asks the clock
        if not cut_short:
            remove_checkpoints(study.weights, study.running())
    return Summary(
        fresh=loop.fresh,
        finished=loop.finished,
        exhausted=loop.exhausted,
        duplicates=loop.duplicates,
        time=ledger.read(),
        cut_short=cut_short,
    )


def _forecast(prepared: Prepared) -> LatencyForecast:
    names = [each.name for each in prepared.evaluators if each.tier != "exact"]
    return LatencyForecast(prepared.plan.constraints, names)


@contextmanager
def recorded_time(study: Study, ledger: Ledger, engine: Engine) -> Generator[None]:
    """Count the time of the workers inside the context, and store the ledger at its end."""
    ledger.begin(engine)
    try:
        yield
    finally:
        ledger.end()
        try:
            study.record_time(ledger.read())
        except (InputError, WorkError) as error:  # an error under way counts more
            _log.warning("the time of the end of the run is not stored: %s", error)


def _knowledge(options: SearchOptions, prepared: Prepared) -> Knowledge:
    """Return the searcher's knowledge: bounds that the space does not ensure, costs and scores."""
    names = tuple(m.name for each in prepared.evaluators for m in each.metrics if m.score)
    constraints = map(read_constraint, options.constraints)
    known = [
        each
        for each in constraints
        if each.metric not in EXACT_METRICS or each.metric in options.objectives
    ]
    scores = ScoreFeatures(prepared.plan, names) if names else None
    return Knowledge(constraints=tuple(known), costs=rough_costs, scores=scores)


def _steered(space: SearchSpace, constraints: tuple[Constraint, ...]) -> SearchSpace:
    """Return the space in which every walk satisfies the constraints on exact metrics.

    Raises:
        InputError: If no architecture satisfies them; the message names relaxations.
    """
    if not constraints:
        return space
    try:
        return space.constrained(constraints, additive_costs)
    except InputError as error:
        names = tuple(dict.fromkeys(each.metric for each in constraints))
        table = build_cost_table(space.graph, names, additive_costs)
        helps = "; or ".join(relaxations(table, constraints))
        raise InputError(write_bounds(f"{error}; {helps}" if helps else str(error))) from None


def worker_count(device: str, asked: int | None) -> int:
    """Return the number of workers; without a choice one per core, or one on a GPU."""
    return asked or (1 if device != "cpu" else cores())


def make_engine(
    name: str,
    workers: int,
    device: str,
    *,
    time_limit: float | None = None,
    address: str | None = None,
) -> Engine:
    """Return an engine whose workers share the GPU, if the device is one.

    Raises:
        InputError: If the name is unknown, or a package that the engine needs is not installed.
    """
    return load_engine(name).create(
        workers=workers,
        time_limit=time_limit,
        address=address,
        gpus_per_worker=0.0 if device == "cpu" else 1 / workers,
    )


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def absolute(spec: DataSpec) -> DataSpec:
    """Return the data with absolute paths, for workers in any folder."""
    name = f"{spec.kind}:{Path(spec.path).expanduser().resolve()}" if spec.path else spec.name
    return replace(spec, name=name, root=str(Path(spec.root).resolve()))


def _data_spec(options: SearchOptions, space: SearchSpace) -> DataSpec:
    """Return the data at the option's resolution, else the space's, or the data's own."""
    own = None if space.follows_data else space.input.height
    spec = DataSpec(
        name=options.data,
        resolution=options.resolution or own,
        seed=options.seed,
        target=options.target or "",
    )
    limit = options.max_megapixels
    return spec if limit is None else replace(spec, max_megapixels=limit)
