"""Effects of decisions on a metric: an additive model with uncertainty.

The metric (the logarithm of a count) is a sum of one effect per value of each decision, plus noise.
A ridge penalty shrinks the effects; generalised cross-validation chooses it (Golub, Heath and
Wahba, Generalized Cross-Validation as a Method for Choosing a Good Ridge Parameter, 1979). The
ridge is a normal prior, so effects have a normal posterior, from which intervals are sampled.
Shuffling the metric between candidates shows the importance that a decision would have by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...evaluators.base import metric
from .columns import Columns
from .front import Mask, is_count

Floats = NDArray[np.float64]

MOST = 20_000
"""Maximum number of candidates in a fit; of more, evenly spaced ones are used."""
FEWEST = 20
"""Minimum number of candidates for a result."""
_DRAWS = 400
_SHUFFLES = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A fitted model."""

    mean_P: Floats
    """Posterior means of the effects."""
    draws_DP: Floats
    """Samples of the effects' posterior."""
    chance_SP: Floats
    """Effects fitted to shuffled metrics."""
    chance_noise_S: Floats
    """Residual variance of each shuffled fit, divided by the variance of the metric."""
    explained: float
    """Share of the variance predicted for unseen candidates, by cross-validation."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """The effect of one value of a decision."""

    label: str
    """The value as text."""
    count: int
    """Number of candidates with the value."""
    effect: float
    """Difference from the average over the values, other decisions equal; a factor for counts."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The importance of a decision for a metric."""

    path: str
    """Path of the decision."""
    share: float
    """Share of the metric's variance that the decision explains, posterior mean."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    chance: float
    """The 95th percentile of the share in shuffled studies."""
    beyond: bool
    """Whether the share is significant jointly with those of all decisions. The ratio of share to
    ``chance`` then exceeds the largest ratio of any decision in 19 of 20 shuffled studies."""
    levels: Sequence[Level]
    """Effects of the values."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """The effects of all decisions on a metric."""

    count: int
    """Number of candidates in the fit."""
    explained: float
    """Share of the variance predicted by all decisions together, by cross-validation."""
    decisions: Sequence[Effect]
    """Importances of the decisions, the largest first."""


def effects(columns: Columns, name: str, mask: Mask) -> Effects | None:
    """Return the effects of each decision on a metric.

    Args:
        columns: The candidates.
        name: The metric.
        mask: The candidates that take part if they are comparable in the metric.

    Returns:
        The effects; None if too few candidates take part, or all have the same value.
    """
    rows = np.flatnonzero(mask & columns.decided & columns.comparable((name,)))
    rows = rows[:: max(1, -(-len(rows) // MOST))]
    values = columns.value(name)[rows]
    if len(rows) < FEWEST or np.ptp(values) == 0:
        return None
    logarithmic = is_count(name) and bool((values > 0).all())
    target = np.log(values) if logarithmic else values
    groups = {
        path: answers.codes_N[rows]
        for path, answers in columns.decisions.items()
        if len(np.unique(answers.codes_N[rows][answers.codes_N[rows] >= 0])) > 1
    }
    if not groups:
        return None
    blocks = [_design_block(codes) for codes in groups.values()]
    fitted = fit(np.concatenate(blocks, axis=1), target)
    starts = np.cumsum([0, *(block.shape[1] for block in blocks)])
    found: list[Effect] = []
    chances: list[Floats] = []
    for place, (path, codes) in enumerate(groups.items()):
        counts = np.bincount(codes[codes >= 0])
        part = slice(starts[place], starts[place + 1])
        # Relative to the average, so that only differences count.
        mean, draws, chance = (
            each[..., part] - (each[..., part] @ counts / counts.sum())[..., None]
            for each in (fitted.mean_P, fitted.draws_DP, fitted.chance_SP)
        )
        weights = counts / (len(rows) * float(target.var()))
        shares = (draws**2) @ weights
        noise = ((draws - mean) ** 2).mean(axis=0) @ weights
        by_chance = (chance**2) @ weights + noise * fitted.chance_noise_S
        chances.append(by_chance)
        found.append(
            Effect(
                path=path,
                share=float((mean**2) @ weights + noise),
                low=float(np.quantile(shares, 0.025)),
                high=float(np.quantile(shares, 0.975)),
                chance=float(np.quantile(by_chance, 0.95)),
                beyond=False,
                levels=_levels(
                    columns.decisions[path].labels, counts, mean, draws, logarithmic=logarithmic
                ),
            )
        )
    return Effects(
        count=len(rows),
        explained=fitted.explained,
        decisions=sorted(_judged(found, np.stack(chances)), key=lambda each: -each.share),
    )


def _judged(found: Sequence[Effect], shares_ES: Floats) -> list[Effect]:
    """Return the decisions with ``beyond`` set, from their shares in shuffled studies.

    The test is joint, since of thirty decisions one or two exceed their own 95th percentile by
    chance.
    """
    own = np.array([each.chance for each in found])
    ratios = shares_ES / np.where(own > 0, own, 1.0)[:, None]
    most = max(1.0, float(np.quantile(ratios.max(axis=0), 0.95)))
    return [replace(each, beyond=each.share > most * each.chance) for each in found]


def _design_block(codes_N: NDArray[np.int32]) -> Floats:
    """Return a design column for each value of a decision, centred over the candidates that have
    one.

    Candidates to which the decision does not apply have zeros; the decision that excludes it
    carries that effect.
    """
    asked = codes_N >= 0
    block = np.zeros((len(codes_N), int(codes_N.max()) + 1))
    block[np.flatnonzero(asked), codes_N[asked]] = 1.0
    block[asked] -= block[asked].mean(axis=0)
    return block


def _levels(
    labels: Sequence[str],
    counts: NDArray[np.int64],
    mean: Floats,
    draws: Floats,
    *,
    logarithmic: bool,
) -> list[Level]:
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    ends = (np.exp(each) if logarithmic else each for each in (mean, low, high))
    return [
        Level(label=label, count=int(count), effect=float(e), low=float(a), high=float(b))
        for label, count, e, a, b in zip(labels, counts, *ends, strict=False)
        if count
    ]


def fit(design_NP: Floats, target_N: Floats) -> Fitted:
    """Fit the additive model.

    Args:
        design_NP: Decisions of each candidate, one column per value.
        target_N: The metric.
    """
    x, y = design_NP - design_NP.mean(axis=0), target_N - target_N.mean()
    eigenvalues, vectors = np.linalg.eigh(x.T @ x)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    projected = vectors.T @ (x.T @ y)
    ridge, noise, error = cross_validated(eigenvalues, projected, float(y @ y), len(y))
    rng = np.random.default_rng(0)
    mean = vectors @ (projected / (eigenvalues + ridge))
    deviations = np.sqrt(noise / (eigenvalues + ridge))
    spread = rng.standard_normal((_DRAWS, len(eigenvalues))) * deviations
    shuffled = np.stack([rng.permutation(y) for _ in range(_SHUFFLES)], axis=1)
    shuffled_projected = vectors.T @ (x.T @ shuffled)
    residuals = [
        _residual(eigenvalues, each, float(y @ y), len(y), ridge) for each in shuffled_projected.T
    ]
    return Fitted(
        mean_P=mean,
        draws_DP=mean + spread @ vectors.T,
        chance_SP=(vectors @ (shuffled_projected / (eigenvalues + ridge)[:, None])).T,
        chance_noise_S=np.array([square / free / noise for square, free in residuals]),
        explained=max(0.0, 1.0 - error * len(y) / float(y @ y)),
    )


def cross_validated(
    eigenvalues_P: Floats, projected_P: Floats, target_square: float, count: int
) -> tuple[float, float, float]:
    """Return the ridge that minimises generalised cross-validation, noise variance and error.

    Args:
        eigenvalues_P: Eigenvalues of ``design.T @ design``.
        projected_P: ``design.T @ target`` in the basis of the eigenvectors.
        target_square: Sum of the target's squares.
        count: Number of candidates.

    Returns:
        The ridge, the variance of the noise, and the mean square error of a prediction (V in Golub,
        Heath and Wahba).
    """
    best = (np.inf, 0.0, 0.0)
    for ridge in np.geomspace(1e-3, 1e4, 71) * max(float(eigenvalues_P.mean()), 1e-12):
        square, free = _residual(eigenvalues_P, projected_P, target_square, count, float(ridge))
        if free > 0.05 * count:  # below 1, the residuals carry no information on the noise
            best = min(best, (count * square / free**2, float(ridge), square / free))
    error, ridge, noise = best
    return ridge, noise, error


def _residual(
    eigenvalues_P: Floats, projected_P: Floats, target_square: float, count: int, ridge: float
) -> tuple[float, float]:
    """Return the sum of the squared residuals under a ridge, and the degrees of freedom."""
    mean = projected_P / (eigenvalues_P + ridge)
    square = target_square - 2 * float(mean @ projected_P) + float(eigenvalues_P @ mean**2)
    return square, count - 1 - float(np.sum(eigenvalues_P / (eigenvalues_P + ridge)))


def effect_title(name: str) -> str:
    """Return the title of effects on a metric, with their unit."""
    if is_count(name):
        return f"factor on {name}"
    unit = metric(name).unit
    return f"effect on {name}" + ("" if unit == "1" else f" [{unit}]")
