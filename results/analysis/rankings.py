"""The rankings of a study's candidates, compared with those by the long and by the short score."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ...evaluators.base import metric
from ...evaluators.metrics import long_name
from ...search_space.seeds import derive_seed
from ..candidate import Candidate
from .columns import Columns, Numbers
from .correction import FEWEST
from .fidelity import COSTS, Predictor, compare, known_fidelity
from .rank_agreement import Estimate, spearman

FEWEST_SHORT = 8
"""Fewest candidates with a score that are compared by their short score."""


@dataclass(frozen=True, kw_only=True)
class ShortRanking:
    """A ranking, compared with that by the short score, with the MACs beside it."""

    name: str
    """Name of the cost, score or diagnostic."""
    count: int
    """Number of complete candidates that have it."""
    spearman: Estimate
    """Spearman's correlation with the short score."""
    macs: Estimate | None
    """That of the MACs over the same candidates."""


@dataclass(frozen=True, kw_only=True)
class Rankings:
    """How well costs, scores and the short training rank the candidates of a study."""

    by_long: tuple[Predictor, ...]
    """Compared with the long score of ``nas fidelity`` or ``nas refine``, the best first; empty
    where there are too few long trainings."""
    by_short: tuple[ShortRanking, ...]
    """Costs and scores compared with the short score, the best first; empty where no score is
    recorded, or too few."""
    epochs: tuple[int | None, int | None]
    """Epochs of the short and of the long training."""
    too_few: tuple[str, ...]
    """Recorded scores that too few candidates have."""
    verdict: str
    """One sentence on the short score; empty where nothing was measured."""

    def __bool__(self) -> bool:
        return bool(self.by_long or self.by_short or self.too_few or self.verdict)


def wanted(columns: Columns, main: str) -> list[int]:
    """Return the numbers of the candidates that ``rankings`` reads whole: those trained again.

    Args:
        columns: All candidates.
        main: Name of the main metric of the study.
    """
    again = {number for each in columns.trainings.get(main, {}).values() for number in each}
    long = columns.number_N[np.isfinite(columns.value(long_name(main)))].tolist()
    return sorted({*again, *long})


def rankings(
    columns: Columns, trained_again: Collection[Candidate], *, seed: int, main: str
) -> Rankings:
    """Return the rankings of a study.

    Args:
        columns: All candidates.
        trained_again: Those of ``wanted``.
        seed: Seed of the intervals.
        main: Name of the main metric of the study.
    """
    again: Sequence[Candidate] = sorted(trained_again, key=lambda each: each.number)
    found = compare(again, seed=seed)
    enough = len(found.sample) >= FEWEST
    scores = [name for name in columns.metrics if metric(name).score]
    compared = (
        {name: _short(columns, name, main, seed) for name in (*COSTS, *scores)} if scores else {}
    )
    known = [each for each in compared.values() if each is not None]
    return Rankings(
        by_long=found.predictors if enough else (),
        by_short=tuple(sorted(known, key=lambda each: -each.spearman.value)),
        epochs=(found.short_epochs, found.long_epochs),
        too_few=tuple(name for name in scores if compared[name] is None),
        verdict=known_fidelity(again, seed=seed),
    )


def _short(columns: Columns, name: str, main: str, seed: int) -> ShortRanking | None:
    """Return how well a metric ranks by the short score; None where too few candidates have it."""
    mask = columns.comparable((name, main, "macs")) & columns.of_latest_version(name)
    count = int(mask.sum())
    if count < FEWEST_SHORT:
        return None
    # Costs count as better when larger, as in nas fidelity.
    sign = -metric(name).sign if metric(name).score else 1.0
    own, macs = (
        _correlation(values[mask], columns.value(main)[mask], seed)
        for values in (sign * columns.value(name), columns.value("macs"))
    )
    return None if own is None else ShortRanking(name=name, count=count, spearman=own, macs=macs)


def _correlation(x_N: Numbers, y_N: Numbers, seed: int) -> Estimate | None:
    return spearman(x_N, y_N, seed=derive_seed(seed, "fidelity intervals"))
