"""Asynchronous successive halving on the non-dominated rank."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..evaluators.metrics import fidelity, metric
from ..evaluators.units import plural
from ..results.candidate import Candidate
from ..search_space.errors import InputError

DEFAULT_ETA = 3
"""Inverse of the share of candidates that continue at each rung."""


@dataclass(frozen=True, kw_only=True)
class Halving:
    """The rungs of a search (Li et al., 2020: ASHA in its stopping form).

    At every rung, a number of epochs, a candidate is compared with the earlier candidates that
    reached it. It continues if it is among the best 1 / ``eta`` of them by non-dominated rank
    (Schmucker et al., 2021, for several objectives), where candidates of the same front tie. So no
    candidate on the first front of a rung is stopped.

    Raises:
        InputError: If ``eta`` is below 2, or the rungs do not rise from 1.
    """

    rungs: tuple[int, ...]
    """Epochs after which a candidate may be stopped, ascending; at least one."""
    eta: int = DEFAULT_ETA
    """Inverse of the share of candidates that continue at each rung; at least 2."""

    def __post_init__(self) -> None:
        if self.eta < 2:
            raise InputError(f"eta must be at least 2, but got {self.eta}")
        rises = all(low < high for low, high in zip(self.rungs, self.rungs[1:], strict=False))
        if not self.rungs or self.rungs[0] < 1 or not rises:
            raise InputError(
                "rungs must be rising numbers of epochs from 1, as in 1,3, but got "
                f"{','.join(map(str, self.rungs)) or 'none'}"
            )

    def goes_on(self, better: int, count: int) -> bool:
        """Return whether a candidate continues after a rung.

        Args:
            better: Number of earlier candidates with a better rank at the rung.
            count: Number of candidates at the rung, with this one.
        """
        return better < max(1, count // self.eta)


def better_ranked(losses_M: Sequence[float], peers: Sequence[Sequence[float]]) -> int:
    """Return the number of peers on a better front than a candidate.

    Args:
        losses_M: Losses of the candidate, (objectives,).
        peers: Losses of its peers.
    """
    import numpy as np  # options are checked before heavy imports

    from .archive import ranks

    found = ranks(np.array([losses_M, *peers], dtype=np.float64))
    return int((found < found[0]).sum())


def default_rungs(epochs: int, eta: int) -> tuple[int, ...]:
    """Return the rungs of a training: its epochs divided by ``eta`` once and twice, from 1.

    Raises:
        InputError: If the training has a single epoch.
    """
    if epochs < 2:
        raise InputError(f"early stopping needs at least 2 epochs of training, but got {epochs}")
    shares = (round(epochs / eta**2), round(epochs / eta))
    return tuple(sorted({min(epochs - 1, max(1, each)) for each in shares}))


@dataclass(frozen=True, kw_only=True)
class RungRecord:
    """The results of earlier candidates, which decide at the rungs of one candidate.

    The record is made before the candidate trains, so the decision depends only on the history that
    the candidate was proposed from, not on what finishes meanwhile.
    """

    halving: Halving
    """The rungs and their rule."""
    trained: tuple[str, ...]
    """Objectives that are measured by training."""
    objectives: Mapping[str, float]
    """The objectives with the sign that makes them losses: 1 or -1."""
    exact: Mapping[str, float] = field(default_factory=dict[str, float])
    """Values of the candidate that are known before it is measured."""
    peers: Mapping[int, tuple[tuple[float, ...], ...]]
    """Losses of earlier candidates by rung."""

    def verdict(self, epochs: int, measured: Mapping[str, float]) -> str | None:
        """Return why a candidate stops at a rung, in one line, or None if it continues.

        Args:
            epochs: The rung.
            measured: Values measured so far by metric, lower fidelities by their own names.
        """
        values = {**self.exact, **measured}
        losses = rung_losses(values, epochs, self.objectives, self.trained)
        peers = self.peers.get(epochs, ())
        if losses is None:
            return None
        better = better_ranked(losses, peers)
        if self.halving.goes_on(better, 1 + len(peers)):
            return None
        others = plural(len(peers), "earlier candidate")
        named = ", ".join(self.objectives)
        return f"after {plural(epochs, 'epoch')} {better} of {others} rank higher in {named}"


def rung_losses(
    values: Mapping[str, float],
    epochs: int,
    objectives: Mapping[str, float],
    trained: Sequence[str],
) -> tuple[float, ...] | None:
    """Return the losses of a candidate at a rung, or None if it was not measured there."""
    found: list[float] = []
    for name, sign in objectives.items():
        value = values.get(fidelity(name, epochs) if name in trained else name)
        if value is None or not math.isfinite(value):
            return None
        found.append(sign * value)
    return tuple(found)


def rung_record(
    halving: Halving,
    objectives: Sequence[str],
    known: Sequence[Candidate],
    exact: Mapping[str, float],
) -> RungRecord:
    """Return the record that decides at the rungs of a candidate.

    Candidates that failed or broke a constraint do not count.

    Args:
        halving: The rungs.
        objectives: Names of the objectives.
        known: The candidates whose results count.
        exact: Exact costs of the candidate.
    """
    of = {name: metric(name) for name in objectives}
    signs = {name: each.sign for name, each in of.items()}
    trained = tuple(name for name, m in of.items() if m.tier == "trained")
    peers: dict[int, tuple[tuple[float, ...], ...]] = {}
    counted = [each for each in known if each.status in ("complete", "stopped")]
    values = [{name: m.value for name, m in each.measurements.items()} for each in counted]
    for epochs in halving.rungs:
        found = (rung_losses(each, epochs, signs, trained) for each in values)
        peers[epochs] = tuple(each for each in found if each is not None)
    return RungRecord(
        halving=halving, trained=trained, objectives=signs, exact=dict(exact), peers=peers
    )
