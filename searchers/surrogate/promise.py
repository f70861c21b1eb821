"""The acquisition value of candidates: expected improvement times probability of success."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...results.analysis.front import front_mask
from ...search_space.constraints.constraint import Constraint
from ..base import Knowledge, Objective
from .features import Features, Scaler
from .gaussian_process import Inputs, prior
from .improvement import expected_improvement
from .losses import Scale
from .model import FEWEST, MOST_USED, Training, thinned
from .pool import spread

Floats = NDArray[np.float64]

_MARGIN = 0.1
"""How far the reference point lies beyond the worst point of the front, in ranges of the front."""
_FRONT = {3: 48, 4: 24}
"""Maximum number of points of the front that are used, by the number of objectives."""
_DIGITS = 6
"""Significant digits in which improvements are compared; further digits depend on the machine."""
_MOST_PLACES = 300
"""Maximum number of decimal places: a float has no power of ten far above this one."""
_EXACT_SD = 1e-9


@dataclass(frozen=True, eq=False)
class Known:
    """A candidate of the history, or one without an outcome yet."""

    key: str
    """``decisions_key`` of the decisions."""
    decisions: Mapping[str, Any]
    """Path to value."""
    digest: str
    """Digest of the network."""
    features: Features
    """Features of the candidate."""
    costs: Mapping[str, float]
    """Exact costs of the network by name."""
    status: str
    """Status, as of ``Candidate``."""
    values: Mapping[str, float]
    """Finite measured values by metric."""
    deviations: Mapping[str, float]
    """Standard deviations of the values, from their intervals."""


class Learner(Protocol):
    """The state that a searcher keeps from one proposal to the next."""

    knowledge: Knowledge

    def ordered(self) -> tuple[Objective, ...]:
        """Return the objectives, the one that users bound last."""
        ...

    def history(self) -> Sequence[Known]:
        """Return the history."""
        ...

    def scaler(self) -> Scaler:
        """Return the scaler of features."""
        ...

    def theta(self, name: str, training: Training, losses_NM: Floats) -> Floats:
        """Return the parameters of a model."""
        ...


class Promise:
    """The models and the front at one proposal."""

    def __init__(
        self, searcher: Learner, usable: Sequence[Known], pending: Sequence[Known]
    ) -> None:
        self._searcher = searcher
        self._usable = usable
        self._pending = pending
        self._scaler = searcher.scaler()
        self._objectives = searcher.ordered()
        self._constraints = searcher.knowledge.constraints
        self._scales = {each.metric: self._scale(each) for each in self._objectives}
        self._losses_NM = np.stack(
            [
                self._scales[each.metric].losses(_column(usable, each.metric))
                for each in self._objectives
            ],
            axis=1,
        )
        self._inputs = self._scaler.inputs([each.features for each in usable])
        self._used = thinned(self._losses_NM, MOST_USED)
        self._used_inputs = self._inputs.rows(self._used)
        self._models = {
            each.metric: self._model(each.metric, place)
            for place, each in enumerate(self._objectives)
            if each.metric not in usable[0].costs
        }
        self._front_KM = self._front()

    def _scale(self, objective: Objective) -> Scale:
        return Scale.of(
            minimised=objective.direction == "minimize",
            share=objective.share,
            values=_column(self._usable, objective.metric),
        )

    def _model(self, name: str, place: int) -> tuple[Training, Floats]:
        noise = _noise(self._usable, name, self._scales[name])
        training = Training(self._inputs, self._losses_NM[:, place], noise)
        theta = self._searcher.theta(name, training, self._losses_NM)
        losses_N, noise_N = self._losses_NM[self._used, place], noise[self._used]
        return Training(self._used_inputs, losses_N, noise_N), theta

    def parents(self) -> list[Known]:
        """Return the candidates on the front, by the first objective."""
        complete = [place for place, each in enumerate(self._usable) if each.status == "complete"]
        places = np.array(complete or range(len(self._usable)), dtype=np.int64)
        losses = self._losses_NM[places]
        places = places[front_mask(losses)]
        order = np.lexsort(self._losses_NM[places].T[::-1])
        return [self._usable[place] for place in places[order]]

    # The front and the reference ------------------------------------------------------------

    def _front(self) -> Floats:
        """Return the losses of the complete candidates: predicted where they are noisy."""
        losses = self._losses_NM.copy()
        for place, each in enumerate(self._objectives):
            model = self._models.get(each.metric)
            if model is not None and model[0].noise_N.any():
                losses[:, place] = model[0].predicted(model[1], self._inputs)[0]
        complete = np.array([each.status == "complete" for each in self._usable])
        front = losses[complete]
        if self._pending:
            inputs = self._scaler.inputs([each.features for each in self._pending])
            front = np.vstack([front, self._predicted(inputs, self._pending)[0]])
        return front[front_mask(front)] if len(front) else front

    def _predicted(
        self, inputs: Inputs, of: Sequence[Known] | Sequence[Mapping[str, float]]
    ) -> tuple[Floats, Floats]:
        """Return means and deviations of the losses, (candidates, objectives) each."""
        means: list[Floats] = []
        deviations: list[Floats] = []
        for each in self._objectives:
            if each.metric in self._models:
                training, theta = self._models[each.metric]
                mean, sd = training.predicted(theta, inputs)
            else:
                costs = [x.costs if isinstance(x, Known) else x for x in of]
                exact = np.array([float(x[each.metric]) for x in costs])
                mean = self._scales[each.metric].losses(exact)
                sd = np.full(len(mean), _EXACT_SD)
            means.append(mean)
            deviations.append(sd)
        return np.stack(means, axis=1), np.stack(deviations, axis=1)

    def _bound(self, objective: Objective) -> float | None:
        """Return the user's bound on the worse side of an objective, as a loss."""
        for each in self._constraints:
            limit = each.high if objective.direction == "minimize" else each.low
            if each.metric == objective.metric and math.isfinite(limit):
                found = self._scales[objective.metric].loss(limit)
                return found if math.isfinite(found) else None
        return None

    def _reference(self) -> tuple[Floats, bool]:
        """Return the reference point, and whether the last objective has no bound.

        The point has the worst value seen of each objective, so that a candidate that costs more
        than the front but is better still counts; in the last objective it lies a little beyond the
        worst of the front.
        """
        front = self._front_KM
        reference = self._losses_NM.max(axis=0)
        if len(front):
            worst, best = front[:, -1].max(), front[:, -1].min()
            reference[-1] = worst + _MARGIN * (worst - best)
            reference = np.maximum(reference, front.max(axis=0))
        reference = reference + 1e-6 * np.maximum(np.ptp(self._losses_NM, axis=0), 1e-3)
        bounds = [self._bound(each) for each in self._objectives]
        for place, bound in enumerate(bounds):
            if bound is not None:
                reference[place] = bound
        return reference, bounds[-1] is None and len(bounds) > 1

    # Acquisition values ---------------------------------------------------------------------

    def gains(self, pool: Sequence[tuple[Features, Mapping[str, float]]]) -> Floats:
        """Return the acquisition value of each member of a pool, rounded."""
        inputs = self._scaler.inputs([features for features, _ in pool])
        costs = [each for _, each in pool]
        if self._pending:
            self._believe()
        means, deviations = self._predicted(inputs, costs)
        reference, unknown = self._reference()
        front = self._front_KM[(self._front_KM < reference).all(axis=1)]
        if len(self._objectives) == 1:
            front = self._front_KM
        if len(front) > (most := _FRONT.get(len(self._objectives), len(front))):
            front = np.array(spread(list(front[np.lexsort(front.T[::-1])]), most))
        gains = expected_improvement(front, reference, means, deviations, unknown_bound=unknown)
        gains = gains * self._probability(inputs, costs)
        if not gains.max() > 0:  # all are probably infeasible: prefer low losses
            gains = -(means - reference).max(axis=1)
        return rounded(gains)

    def _believe(self) -> None:
        """Add the pending candidates to the models with their predicted values."""
        inputs = self._scaler.inputs([each.features for each in self._pending])
        used = self._used_inputs
        groups = zip(used.groups, inputs.groups, strict=True)
        joined = Inputs(
            np.vstack([used.decisions_NE, inputs.decisions_NE]),
            np.concatenate([used.active_N, inputs.active_N]),
            tuple(np.vstack(pair) for pair in groups),
        )
        for name, (training, theta) in self._models.items():
            mean, _ = training.predicted(theta, inputs)
            noise = np.concatenate([training.noise_N, np.zeros(len(mean))])
            losses = np.concatenate([training.losses_N, mean])
            self._models[name] = Training(joined, losses, noise), theta

    def _probability(self, inputs: Inputs, costs: Sequence[Mapping[str, float]]) -> Floats:
        """Return the probability that all constraints hold and that nothing fails, (P,)."""
        chance = np.ones(len(costs))
        for each in self._constraints:
            chance *= self._holds(each, inputs, costs)
        return chance * self._succeeds(inputs)

    def _holds(
        self, constraint: Constraint, inputs: Inputs, costs: Sequence[Mapping[str, float]]
    ) -> Floats:
        name = constraint.metric
        if name in costs[0]:
            return np.array([float(constraint.holds(each[name])) for each in costs])
        known = [each for each in self._searcher.history() if name in each.values]
        if len(known) < FEWEST:
            return np.ones(len(costs))
        objective = next((each for each in self._objectives if each.metric == name), None)
        low, high = constraint.low, constraint.high
        if objective is not None:  # the reference point covers the worse side
            low, high = (low, math.inf) if objective.direction == "minimize" else (-math.inf, high)
            if math.isinf(low) and math.isinf(high):
                return np.ones(len(costs))
        values = _column(known, name)
        scale = Scale.of(minimised=True, share=False, values=values)
        losses = scale.losses(values)
        training = Training(
            self._scaler.inputs([each.features for each in known]),
            losses,
            _noise(known, name, scale),
        )
        theta = self._searcher.theta(f"bound {name}", training, losses[:, None])
        training = training.part(thinned(losses[:, None], MOST_USED))
        mean, sd = training.predicted(theta, inputs)
        from scipy.special import ndtr  # type: ignore[import-untyped]

        above = ndtr((scale.loss(high) - mean) / sd) if math.isfinite(high) else 1.0
        below = ndtr((scale.loss(low) - mean) / sd) if math.isfinite(low) else 0.0
        return np.maximum(above - below, 0.0)

    def _succeeds(self, inputs: Inputs) -> Floats:
        """Return the probability of no failure: a Gaussian process of 0 and 1, not fitted."""
        history = self._searcher.history()[-MOST_USED:]
        named = [each.metric for each in self._constraints]
        failed = np.array(
            [
                each.status == "failed"
                or (each.status == "infeasible" and not any(name in each.values for name in named))
                for each in history
            ],
            dtype=np.float64,
        )
        if not failed.any():
            return np.ones(len(inputs.active_N))
        training = Training(
            self._scaler.inputs([each.features for each in history]), failed, np.zeros(len(failed))
        )
        theta = prior(len(inputs.groups), self._scaler.lengths)[0]
        return np.clip(1 - training.predicted(theta, inputs)[0], 0.02, 1.0)


def rounded(values: Floats) -> Floats:
    """Return values rounded to 6 significant digits, or to 300 places if there are fewer."""
    with np.errstate(divide="ignore"):
        places = _DIGITS - 1 - np.floor(np.log10(np.abs(values)))
    power = 10.0 ** np.where(np.isfinite(places), np.minimum(places, _MOST_PLACES), 0.0)
    return np.round(values * power) / power


def _column(known: Sequence[Known], name: str) -> Floats:
    return np.array([each.values[name] for each in known])


def _noise(known: Sequence[Known], name: str, scale: Scale) -> Floats:
    """Return the variances of the losses, from the intervals of the values."""
    return np.array(
        [scale.deviation(each.values[name], each.deviations.get(name, 0.0)) ** 2 for each in known]
    )
