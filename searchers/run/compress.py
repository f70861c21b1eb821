"""Smaller candidates from trained ones (``nas compress``)."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, load_search_data
from ...evaluators.accuracy.inherit import Source
from ...evaluators.accuracy.recipe import Recipe
from ...evaluators.base import CandidateError, Evaluator, Setup, evaluator_of, metric
from ...evaluators.compression.methods import METHODS
from ...evaluators.compression.result import Compressed, Unreachable
from ...evaluators.compression.trained import TrainedNetworks, network_of
from ...evaluators.cost.cost import EXACT_METRICS, architecture_cost
from ...evaluators.runtime_table import is_latency
from ...evaluators.units import read_constraint, write_constraint, write_value
from ...results.candidate import Candidate
from ...results.export.record_checks import trained_weights
from ...results.export.weights import WeightsFolder, compressed_weights
from ...results.final.sources import described
from ...results.study.study import Study
from ...search_space.architecture.architecture import Architecture
from ...search_space.architecture.network import Network
from ...search_space.constraints.constraint import Constraint
from ...search_space.errors import InputError, unknown_name
from .derived_job import DerivedJob
from .ledger import Ledger
from .remeasure import check_latency, check_measured, timed_here
from .search import make_engine, recorded_time
from .start_weights import kept_start
from .study_plan import measuring_plan
from .worker import Plan

BEST = "best"
"""The method that tries all others, and takes the network with the best start."""
Listener = Callable[[str], None]
"""Called with what is done next."""


@dataclass(frozen=True, kw_only=True)
class CompressRequest:
    """A request to make a smaller candidate from a trained one.

    Raises:
        InputError: If a bound or the method cannot be used.
    """

    to: tuple[str, ...]
    """The bounds, such as ``macs<=1e6``, at least one; on exact costs and latencies."""
    method: str = BEST
    """Name of the method, or ``best``."""
    epochs: int | None = None
    """Epochs of the fine-tuning; None: those of the study."""
    seed: int = 0
    """Seed of the choice of images, and of the fine-tuning."""
    bounds: tuple[Constraint, ...] = field(init=False)
    """The bounds as values."""

    def __post_init__(self) -> None:
        if self.method not in (BEST, *METHODS):
            raise unknown_name("method", self.method, (BEST, *METHODS))
        if not self.to:
            raise InputError("a compression must have a bound, such as --to 'macs<=1e6'")
        bounds = tuple(map(read_constraint, self.to))
        for each in bounds:
            if metric(each.metric).tier != "exact" and not is_latency(each.metric):
                raise InputError(
                    "a bound of a compression must be on an exact cost or a latency, but got "
                    f"{write_constraint(each)}"
                )
        object.__setattr__(self, "bounds", bounds)

    def origin(self, parent: Candidate) -> dict[str, Any]:
        """Return what identifies the result: the same request gives the same candidate."""
        return {
            "parent": parent.number,
            "parent_digest": parent.digest,
            "asked": self.method,
            "to": sorted({write_constraint(each) for each in self.bounds}),
            "epochs": self.epochs,
            "seed": self.seed,
        }


@dataclass(frozen=True, kw_only=True)
class CompressResult:
    """The result of a compression."""

    candidate: Candidate
    """The candidate."""
    fresh: bool
    """Whether it was measured by this run."""

    @property
    def missed(self) -> tuple[str, ...]:
        """The asked bounds that the recorded values break: latencies vary."""
        bounds = map(read_constraint, self.candidate.origin["to"])
        had = self.candidate.measurements
        return tuple(
            write_constraint(each)
            for each in bounds
            if each.metric in had and not each.holds(had[each.metric].value)
        )


def compress(
    study: Study, name: str, request: CompressRequest, ledger: Ledger, listener: Listener
) -> CompressResult:
    """Make a smaller candidate from a trained one, fine-tune and measure it.

    The same request continues an interrupted run, and returns a finished candidate as it is.

    Args:
        study: The study, whose plug-ins are loaded.
        name: Number of the candidate, or a unique prefix of its digest.
        request: Bounds and method.
        ledger: Ledger of the time of this run.
        listener: Called with what is done next.

    Raises:
        InputError: If the candidate has no score or keeps the bounds already, no method can reach
            them, or another process searches the study.
        WorkError: If the search kept no weights of the candidate.
    """
    parent = study.find(name)
    if parent.status not in ("complete", "infeasible"):
        raise InputError(
            f"a candidate to compress must be complete, but candidate {parent.number} is "
            f"{parent.status}"
        )
    asked = request.origin(parent)
    with study.exclusive():
        before = [e for e in study.candidates() if asked.items() <= dict(e.origin).items()]
        made = next((each for each in before if each.status != "failed"), None)
        if made is not None and made.status != "running":
            return CompressResult(candidate=made, fresh=False)
        recipe = Recipe.from_json(study.settings.recipe)
        recipe = replace(recipe, epochs=request.epochs or recipe.epochs)
        plan = measuring_plan(study, recipe.to_json())
        check_measured(study, plan, study.settings.objectives)
        bounded = (each.metric for each in plan.constraints)
        counting = tuple(dict.fromkeys((*study.settings.objectives, *bounded)))
        for note in check_latency(study, timed_here(plan), counting=counting, again=False):
            listener(note)
        if made is None:
            made, recipe = _started(study, parent, request, recipe, listener)
        else:
            recipe = replace(recipe, init=made.origin["start"])
        listener(f"Fine-tuning candidate {made.number}: {made.outline()}")
        return CompressResult(candidate=_measured(study, made, recipe, request, ledger), fresh=True)


def _started(
    study: Study, parent: Candidate, request: CompressRequest, recipe: Recipe, listener: Listener
) -> tuple[Candidate, Recipe]:
    """Return the smaller candidate, added to the study, and the recipe that begins with its
    weights, which are stored."""
    weights, _ = trained_weights(WeightsFolder(study.weights), parent)
    data = load_search_data(DataSpec.from_json(study.settings.data), cache=image_cache())
    classes = data.classes
    source = Source(
        name=f"candidate {parent.number}", architecture=parent.architecture, weights=weights
    )
    network = network_of(source)
    trained = TrainedNetworks(data, recipe, seed=request.seed)
    values = _Values(study, recipe)
    listener(f"Compressing candidate {parent.number}: {parent.outline()}")
    with closing(values):
        found, reached, reasons = _smaller(study, parent, request, network, trained, values)
    starts = {each: trained.score(result.network) for each, result in found.items()}
    method = min(starts, key=lambda each: starts[each][0])
    smaller = found[method].network
    architecture = Architecture.from_json(smaller.architecture.to_json())
    start = Source(
        name=f"candidate {parent.number} by {method}",
        architecture=architecture,
        weights=smaller.state_dict(),
        classes=classes,
    )
    recipe = replace(recipe, init=described(start))
    kept_start(study.weights, recipe.to_json(), start)
    main = study.settings.main_metric
    candidate = study.start(
        architecture=architecture,
        decisions={},
        distributions={},
        origin={
            **request.origin(parent),
            "method": method,
            "start": recipe.init,
            "reached": reached[method],
            "before_tuning": {each: {main: score} for each, (_, score) in starts.items()},
            "unreachable": reasons,
            "kept": dict(found[method].kept),
        },
    )
    return candidate, recipe


def _smaller(
    study: Study,
    parent: Candidate,
    request: CompressRequest,
    network: Network,
    trained: TrainedNetworks,
    values: "_Values",
) -> tuple[dict[str, Compressed], dict[str, dict[str, float]], dict[str, str]]:
    """Return the smaller networks by method, their bounded metrics, and why methods have none.

    Raises:
        InputError: If there is none, or the study has all of them already.
    """
    values.check_parent(parent, request.bounds)

    def holds(architecture: Architecture) -> bool:
        return values.hold(architecture, request.bounds)

    by = tuple(dict.fromkeys(each.metric for each in request.bounds))
    methods = tuple(METHODS) if request.method == BEST else (request.method,)
    found: dict[str, Compressed] = {}
    least: dict[str, Unreachable] = {}
    for each in methods:
        result = METHODS[each](network, trained, holds, by=by)
        if isinstance(result, Unreachable):
            least[each] = result
        else:
            found[each] = result
    if not found:
        raise InputError(_unreachable(values, request.bounds, least))
    known = {each.digest: each for each in study.candidates() if not _failed(each)}
    new = {
        method: each
        for method, each in found.items()
        if each.network.architecture.digest not in known
    }
    if not new:
        had = known[next(iter(found.values())).network.architecture.digest]
        raise InputError(
            f"a compression must give a new network, but gives that of candidate {had.number}"
        )
    reached = {
        method: {name: values.of(each.network.architecture, name) for name in by}
        for method, each in new.items()
    }
    return new, reached, {method: each.reason for method, each in least.items()}


def _failed(candidate: Candidate) -> bool:
    """Whether a compression failed, so that its network may be made again."""
    return bool(candidate.origin) and candidate.status == "failed"


def _unreachable(
    values: "_Values", bounds: Sequence[Constraint], least: Mapping[str, Unreachable]
) -> str:
    """Return the error for bounds that no method reaches, with the least values."""
    texts: list[str] = []
    for method, result in least.items():
        reach = [
            values.reasons.get((result.architecture.digest, each.metric))
            or f"{each.metric} {write_value(each.metric, value)}"
            for each in bounds
            if not each.holds(value := values.of(result.architecture, each.metric))
        ]
        why = f" ({result.reason})" if result.reason else ""
        texts.append(f"the least that {method} reaches is {', '.join(reach) or 'the bound'}{why}")
    wanted = ", ".join(write_constraint(each) for each in bounds)
    return f"a bound must be within reach, but got {wanted}: {'; '.join(texts)}"


class _Values:
    """Costs and latencies of architectures, each measured once."""

    def __init__(self, study: Study, recipe: Recipe) -> None:
        self._study = study
        self._recipe = replace(recipe, init="")
        self._known: dict[tuple[str, str], float] = {}
        self._evaluators: dict[str, Evaluator] = {}
        self.reasons: dict[tuple[str, str], str] = {}
        """Why a metric of an architecture is not a number, by digest and metric."""

    def close(self) -> None:
        """Drop the evaluators, with which the processes of runtimes end."""
        self._evaluators.clear()

    @cached_property
    def _plan(self) -> Plan:
        return measuring_plan(self._study, self._recipe.to_json())

    def of(self, architecture: Architecture, name: str) -> float:
        """Return the value of a metric; NaN, which keeps no bound, if it cannot be measured."""
        key = (architecture.digest, name)
        if key not in self._known:
            self._known[key] = self._measured(architecture, name)
        return self._known[key]

    def _measured(self, architecture: Architecture, name: str) -> float:
        if name in EXACT_METRICS:
            return getattr(architecture_cost(architecture), name)
        try:
            found = self._evaluator(name).measure(architecture)
        except CandidateError as error:
            self.reasons[architecture.digest, name] = str(error)
            return math.nan
        return next(each.value for each in found if each.metric == name)

    def _evaluator(self, name: str) -> Evaluator:
        entry = evaluator_of(name)
        if entry.name not in self._evaluators:
            cls = entry.load()
            settings = self._plan.settings.get(entry.name, cls.defaults)
            setup = Setup(device=self._plan.device, seed=self._plan.seed, settings=settings)
            self._evaluators[entry.name] = cls.make(setup)
        return self._evaluators[entry.name]

    def hold(self, architecture: Architecture, bounds: Sequence[Constraint]) -> bool:
        """Whether an architecture keeps the bounds; the cheap ones are checked first."""
        order = sorted(bounds, key=lambda each: metric(each.metric).tier != "exact")
        return all(each.holds(self.of(architecture, each.metric)) for each in order)

    def check_parent(self, parent: Candidate, bounds: Sequence[Constraint]) -> None:
        """Check that a candidate does not keep the bounds already."""
        if self.hold(parent.architecture, bounds):
            has = {each.metric: self.of(parent.architecture, each.metric) for each in bounds}
            texts = (f"{name} {write_value(name, value)}" for name, value in has.items())
            raise InputError(
                f"a bound must be below what candidate {parent.number} has, but it has "
                f"{', '.join(texts)}"
            )


def _measured(
    study: Study, candidate: Candidate, recipe: Recipe, request: CompressRequest, ledger: Ledger
) -> Candidate:
    """Fine-tune and measure a started candidate; return the recorded one."""
    plan = replace(
        measuring_plan(study, recipe.to_json()), weights=str(compressed_weights(study.weights))
    )
    engine = make_engine("local", 1, plan.device)
    source = DerivedJob(study, candidate, plan, request.seed, ledger)
    with recorded_time(study, ledger, engine):
        engine.run(source, plan)
    return source.candidate
