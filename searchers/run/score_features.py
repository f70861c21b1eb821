"""Training-free scores as features for searchers."""

from collections.abc import Mapping

from ...evaluators.base import CandidateError, Setup, evaluators_for
from ...search_space.architecture.architecture import Architecture
from .worker import Plan


class ScoreFeatures:
    """Computes scores of any architecture, as a worker would, each architecture once."""

    def __init__(self, plan: Plan, scores: tuple[str, ...]) -> None:
        """Set what is computed.

        Args:
            plan: Plan of the study's measurements, which states data, seed and settings.
            scores: Names of scores.
        """
        self._plan = plan
        self._entries = evaluators_for(scores, always=False)
        self._known: dict[str, dict[str, float]] = {}

    def __call__(self, architecture: Architecture) -> Mapping[str, float]:
        """Return the scores that the network has, by name; on the CPU, a second at most."""
        found = self._known.get(architecture.digest)
        if found is None:
            found = self._known[architecture.digest] = self._computed(architecture)
        return found

    def _computed(self, architecture: Architecture) -> dict[str, float]:
        found: dict[str, float] = {}
        for entry in self._entries:
            cls = entry.load()
            setup = Setup(
                seed=self._plan.seed,
                settings=self._plan.settings.get(entry.name, cls.defaults),
                data=self._plan.data,
                cache=self._plan.cache,
            )
            try:
                found |= {e.metric: e.value for e in cls.make(setup).measure(architecture)}
            except CandidateError:  # the network does not have the score
                continue
        return found
