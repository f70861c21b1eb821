"""How well the short score of a study ranks its candidates, from what was measured."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...evaluators.base import metric
from ...search_space.seeds import derive_seed
from ..candidate import Candidate
from ..numbers import difference_number, format_difference
from .conditions import current_values
from .corrected import epochs_of, predictable
from .correction import FEWEST
from .main_metric import MainMetric, main_metric
from .pick import count_distinguishable
from .rank_agreement import Agreement, Estimate, Floats, agreement, spearman

COSTS = ("macs", "params", "activations")
"""The costs as rankings, the largest first: the baselines of all others."""
ANOTHER, MEAN = "{}, another seed", "{}, mean of seeds"
"""Names of further rankings by the short score, whose name stands first; the search's own training
begins as the long one does, that of another seed does not."""
_ROUGH = 8
"""Fewest long trainings from which a search says how well its score ranks."""

Ranking = Callable[[Candidate], float | None]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """One ranking, compared with that of the long score."""

    name: str
    """Its name: ``accuracy`` (short), a cost, a training-free score, or a combination."""
    agreement: Agreement
    """How well it agrees with the ranking by the long score."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise of the short score between seeds."""

    candidates: int
    """Number of candidates with several seeds."""
    between_seeds: float
    """Standard deviation of the trainings of one candidate, in the unit of the score."""
    between_candidates: float
    """Standard deviation of the candidates' single short scores, in the same unit."""
    agreement: Agreement | None
    """Agreement of the rankings by two seeds; None if there are too few."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How well the short score of a study ranks its candidates."""

    sample: tuple[int, ...]
    """Numbers of the candidates with a long score that are compared."""
    short_epochs: int | None
    """Epochs of the short training."""
    long_epochs: int | None
    """Epochs of the long training."""
    predictors: tuple[Predictor, ...]
    """The rankings, that with the highest Spearman correlation first."""
    noise: Noise | None
    """The noise between seeds; None if no candidate has several."""
    distinguishable: int
    """Greatest number of the study's candidates whose short intervals do not overlap."""
    complete: int
    """Number of complete candidates of the study."""
    metric: str = "accuracy"
    """Name of the short score."""
    failed: Mapping[int, str] = field(default_factory=dict[int, str])
    """Reasons by number for further trainings that failed."""

    def found(self, name: str) -> Agreement | None:
        """Return the agreement of a ranking; None if it was not compared."""
        return next((each.agreement for each in self.predictors if each.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON values."""
        noise = self.noise
        return {
            "metric": self.metric,
            "sample": list(self.sample),
            "epochs": {"short": self.short_epochs, "long": self.long_epochs},
            "rankings": {each.name: _json(each.agreement) for each in self.predictors},
            "noise": None
            if noise is None
            else {
                "candidates": noise.candidates,
                "between_seeds": noise.between_seeds,
                "between_candidates": noise.between_candidates,
                "two_seeds": None if noise.agreement is None else _json(noise.agreement),
            },
            "distinguishable": self.distinguishable,
            "complete": self.complete,
            "failed": {str(number): reason for number, reason in self.failed.items()},
            "verdict": verdict(self),
        }


def _json(found: Agreement) -> dict[str, Any]:
    return {
        "count": found.count,
        "spearman": found.spearman.to_json(),
        "kendall": found.kendall.to_json(),
        "top_tenth": found.top_tenth.to_json(),
    }


def stratified(candidates: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """Return a sample that is spread over the MACs and the short score.

    Groups of equal size by MACs are put in a row, each sorted by the short score, up and down in
    turn. The sample is every n-th of the row, from a random place.

    Args:
        candidates: Candidates with both metrics.
        count: Size of the sample, at least 1.
        seed: Seed of the place.
    """
    groups, names = max(1, round(count**0.5)), main_metric(candidates)
    by_macs = sorted(candidates, key=lambda e: (e.measurements["macs"].value, e.number))
    row: list[Candidate] = []
    for place, part in enumerate(np.array_split(np.arange(len(by_macs)), groups)):
        group = [by_macs[int(each)] for each in part]
        group.sort(key=lambda e: (_short(e, names), e.number))
        row += group[:: -1 if place % 2 else 1]
    if count >= len(row):
        return row
    start = np.random.default_rng(derive_seed(seed, "fidelity sample")).random()
    return [row[int((start + each) * len(row) / count)] for each in range(count)]


def _short(candidate: Candidate, names: MainMetric) -> float:
    """Return the short score of the search's own training."""
    found = candidate.first(names.short)
    assert found is not None, "only candidates with a short score are compared"
    return found.value


def compare(
    candidates: Sequence[Candidate],
    numbers: Collection[int] | None = None,
    *,
    seed: int = 0,
    failed: Mapping[int, str] | None = None,
) -> Fidelity:
    """Return how well the short score, the costs and the recorded scores rank long trainings.

    Args:
        candidates: All candidates of a study.
        numbers: The candidates to compare, as far as they have a long score; None: all that have
            one.
        seed: Seed of the intervals.
        failed: Reasons by number for trainings that failed.
    """
    names = main_metric(candidates)
    sample = [
        each
        for each in predictable(candidates)
        if names.long in each.measurements and (numbers is None or each.number in numbers)
    ]
    distinguishable, _ = count_distinguishable(candidates, names.short)
    predictors = [
        Predictor(name=name, agreement=found)
        for name, values in _rankings(sample, names).items()
        if (found := _with_long(sample, values, names, seed)) is not None
    ]
    recipe = sample[0].measurements[names.short].provenance.get("recipe", {}) if sample else {}
    return Fidelity(
        sample=tuple(each.number for each in sample),
        short_epochs=recipe.get("epochs"),
        long_epochs=epochs_of(sample[0]) if sample else None,
        predictors=tuple(sorted(predictors, key=lambda e: -e.agreement.spearman.value)),
        noise=_noise(candidates, numbers, names, seed),
        distinguishable=distinguishable,
        complete=sum(each.status == "complete" for each in candidates),
        metric=names.short,
        failed=failed or {},
    )


def _rankings(sample: Sequence[Candidate], names: MainMetric) -> dict[str, list[float | None]]:
    """Return the values of each ranking by name, the best the largest."""
    short = names.short
    found: dict[str, list[float | None]] = {short: [_short(each, names) for each in sample]}
    singles = [each.singles.get(short, ()) for each in sample]
    found[ANOTHER.format(short)] = [
        trainings[1].value if trainings else None for trainings in singles
    ]
    found[MEAN.format(short)] = [
        each.value(short) if trainings else None
        for each, trainings in zip(sample, singles, strict=True)
    ]
    for name in COSTS:
        found[name] = [each.value(name) for each in sample]
    if sample:
        short_N, macs_N = (
            _ranks(np.array([value or 0.0 for value in found[name]])) for name in (short, "macs")
        )
        found[f"{short} + macs"] = [float(each) for each in short_N + macs_N]
    recorded = {name for each in sample for name in each.measurements}
    for name in sorted(recorded):
        known = metric(name)
        if known.score:
            values = current_values(sample, name)
            found[name] = [None if value is None else -known.sign * value for value in values]
    return found


def _ranks(values: Floats) -> Floats:
    from scipy import stats  # takes a second to import

    return np.asarray(stats.rankdata(values), dtype=np.float64)


def _with_long(
    sample: Sequence[Candidate], values: Sequence[float | None], names: MainMetric, seed: int
) -> Agreement | None:
    """Return the agreement with the long score, over the candidates that have a value."""
    pairs = [
        (value, each.measurements[names.long].value)
        for each, value in zip(sample, values, strict=True)
        if value is not None
    ]
    return _agreement(pairs, seed)


def _agreement(pairs: Sequence[tuple[float, float]], seed: int) -> Agreement | None:
    if len(pairs) < FEWEST:
        return None
    x_N, y_N = np.array(pairs, dtype=np.float64).T
    return agreement(x_N, y_N, seed=derive_seed(seed, "fidelity intervals"))


def _noise(
    candidates: Sequence[Candidate],
    numbers: Collection[int] | None,
    names: MainMetric,
    seed: int,
) -> Noise | None:
    repeated = [
        each
        for each in candidates
        if len(each.singles.get(names.short, ())) > 1
        and (numbers is None or each.number in numbers)
    ]
    if not repeated:
        return None
    groups = [[single.value for single in each.singles[names.short]] for each in repeated]
    within = sum(float(np.var(each)) * len(each) for each in groups)
    degrees = sum(len(each) - 1 for each in groups)
    firsts = np.array([each[0] for each in groups])
    return Noise(
        candidates=len(repeated),
        between_seeds=(within / degrees) ** 0.5,
        between_candidates=float(firsts.std(ddof=1)) if len(firsts) > 1 else 0.0,
        agreement=_agreement([(each[0], each[1]) for each in groups], seed),
    )


def verdict(found: Fidelity) -> str:
    """Return one sentence on the short score; empty where nothing was measured."""
    short = found.found(found.metric)
    if short is None:
        return _noise_verdict(found.noise, found.metric)
    macs = found.found("macs")
    text = (
        f"The short score ranks {short.count} long trainings with Spearman {short.spearman.text()}"
    )
    if short.spearman.low <= 0:
        return f"{text}: it cannot be told from chance."
    if macs is not None and macs.spearman.value >= short.spearman.value:
        return f"{text}: no better than the MACs alone, {macs.spearman.text()}."
    beside = "" if macs is None else f"; the MACs alone {_number(macs.spearman)}"
    return f"{text}{beside}."


def _noise_verdict(noise: Noise | None, name: str) -> str:
    if noise is None or noise.candidates < FEWEST:
        return ""
    text = (
        f"The trainings of one network differ by {format_difference(name, noise.between_seeds)} "
        f"between seeds, the candidates by {difference_number(name, noise.between_candidates)}"
    )
    poor = 2 * noise.between_seeds**2 >= noise.between_candidates**2
    return f"{text}: the short score ranks little better than its noise." if poor else f"{text}."


def _number(found: Estimate) -> str:
    return f"{found.value:.2f}"


def known_fidelity(candidates: Sequence[Candidate], *, seed: int = 0) -> str:
    """Return the verdict from what a study has measured so far; empty where that is too little."""
    measured = compare(candidates, seed=seed)
    return (
        verdict(measured)
        if len(measured.sample) >= _ROUGH
        else _noise_verdict(measured.noise, measured.metric)
    )


def score_note(candidates: Sequence[Candidate], name: str, *, seed: int = 0) -> str | None:
    """Return how well a training-free score ranks the candidates of a study, with the MACs beside.

    The result is None where too few candidates have both.

    Args:
        candidates: The candidates.
        name: The score.
        seed: Seed of the intervals.
    """
    known, names = metric(name), main_metric(candidates)
    pairs = [
        (-known.sign * value, _short(each, names), each.measurements["macs"].value)
        for each, value in zip(candidates, current_values(candidates, name), strict=True)
        if each.status == "complete"
        and value is not None
        and each.first(names.short) is not None
        and "macs" in each.measurements
    ]
    if len(pairs) < _ROUGH:
        return None
    values_N, short_N, macs_N = np.array(pairs, dtype=np.float64).T
    stream = derive_seed(seed, "fidelity intervals")
    score, macs = (spearman(each, short_N, seed=stream) for each in (values_N, macs_N))
    if score is None or macs is None:
        return None
    return (
        f"{name} ranks {len(pairs)} candidates by {names.short} with Spearman {score.text()}, "
        f"the MACs alone with {macs.text()}"
    )
