"""Early stopping on a table whose columns ``NAME@Nepochs`` hold lower fidelities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...evaluators.metrics import fidelity, split_fidelity
from ...search_space.errors import InputError
from ..base import Objective
from ..halving import DEFAULT_ETA, Halving, RungRecord, rung_losses
from .result_table import ResultTable

SUFFIX = "+asha"
"""Suffix of the name of a searcher that runs with early stopping."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TableHalving:
    """The rungs on a table."""

    halving: Halving
    """The rungs and their rule."""
    epochs: int
    """Epochs of the whole training."""
    trained: tuple[str, ...]
    """Objectives with lower fidelities in the table."""

    @classmethod
    def of(
        cls,
        table: ResultTable,
        objectives: Sequence[str],
        *,
        epochs: int,
        eta: int | None = None,
        rungs: Sequence[int] | None = None,
    ) -> "TableHalving":
        """Return the rungs on a table.

        Args:
            table: The table.
            objectives: Names of the objectives.
            epochs: Epochs of the whole training.
            eta: Inverse of the share of networks that continue at a rung; None: 3.
            rungs: Epochs of the rungs; None: all in the table.

        Raises:
            InputError: If the table lacks a fidelity, or a rung is not below the whole training.
        """
        found: dict[str, set[int]] = {}
        for column in table.values:
            name, at = split_fidelity(column)
            if at is not None and name in objectives:
                found.setdefault(name, set()).add(at)
        known = sorted(set.intersection(*found.values())) if found else []
        chosen = (
            tuple(rungs) if rungs is not None else tuple(each for each in known if each < epochs)
        )
        lacking = [each for each in chosen if each not in known or each >= epochs]
        if not chosen or lacking:
            columns = ", ".join(fidelity(objectives[0], each) for each in known) or "none"
            raise InputError(
                f"rungs must be fidelities of the table below {epochs} epochs, but got "
                f"{lacking or 'none'}, and the table has {columns}"
            )
        halving = Halving(rungs=chosen, eta=eta or DEFAULT_ETA)
        return cls(halving=halving, epochs=epochs, trained=tuple(found))


class Rungs:
    """The results at the rungs of one run, by the order of the trials."""

    def __init__(self, of: TableHalving, objectives: Sequence[Objective]) -> None:
        self._of = of
        self._signs = {each.metric: each.sign for each in objectives}
        self._losses: dict[int, list[tuple[int, tuple[float, ...]]]] = {
            epochs: [] for epochs in of.halving.rungs
        }

    def climb(self, number: int, known: int, values: Mapping[str, float]) -> int:
        """Return the epochs that a trial is trained for, and keep its results.

        Args:
            number: The trial.
            known: Number of the first trials whose results count.
            values: All values of the network, lower fidelities by their own names.
        """
        record = RungRecord(
            halving=self._of.halving,
            trained=self._of.trained,
            objectives=self._signs,
            peers={
                epochs: tuple(losses for trial, losses in found if trial < known)
                for epochs, found in self._losses.items()
            },
        )
        for epochs in self._of.halving.rungs:
            stops = record.verdict(epochs, values) is not None
            losses = rung_losses(values, epochs, self._signs, self._of.trained)
            assert losses is not None, "a table has all values"
            self._losses[epochs].append((number, losses))
            if stops:
                return epochs
        return self._of.epochs


def share_of_epochs(stopped_SN: Floats, whole_SN: Floats) -> Floats:
    """Return the epochs until early stopping has the hypervolume of whole trainings, (S,).

    They are relative to the epochs after which the whole trainings first had their final
    hypervolume; infinite where early stopping does not reach it.

    Args:
        stopped_SN: Hypervolume with early stopping, (seeds, epochs / those of a whole training).
        whole_SN: The same without, of the same seeds.
    """
    shares: list[float] = []
    for stopped_N, whole_N in zip(stopped_SN, whole_SN, strict=True):
        reached = stopped_N >= whole_N[-1] - 1e-12
        first = 1 + int(np.argmax(whole_N >= whole_N[-1] - 1e-12))
        shares.append((1 + int(np.argmax(reached))) / first if reached.any() else np.inf)
    return np.array(shares)
