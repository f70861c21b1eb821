"""Baselines of a study: well-known networks that are shown beside the front."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..candidate import Candidate
from .front import comparable, dominators


@dataclass(frozen=True, kw_only=True)
class BesideFront:
    """A baseline, and how it stands to the candidates."""

    candidate: Candidate
    """The baseline."""
    better: tuple[int, ...]
    """Numbers of the candidates that dominate it beyond the intervals."""
    worse: tuple[int, ...]
    """Numbers of the candidates of the front that it dominates."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.candidate.origin["baseline"])

    @property
    def text(self) -> str:
        """How it stands to the candidates."""
        if self.better:
            return f"dominated by {_listed(self.better)}"
        return f"dominates {_listed(self.worse)}" if self.worse else "on the level of the front"


_NAMED = 5


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return ", ".join(map(str, numbers[:_NAMED])) + more


def baselines(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the measured baselines that are not candidates of the front."""
    return [each for each in candidates if each.status == "baseline"]


def beside_front(
    candidates: Sequence[Candidate], front: Sequence[Candidate], objectives: Sequence[str]
) -> list[BesideFront]:
    """Return the baselines with all objectives, and how they stand to the candidates.

    Args:
        candidates: All candidates of a study.
        front: Those on the front.
        objectives: The metrics.
    """
    found: list[BesideFront] = []
    for each in baselines(candidates):
        as_complete = replace(each, status="complete")
        if not comparable([as_complete], objectives):
            continue
        better = dominators(as_complete, candidates, objectives)
        worse = [m for m in front if dominators(m, [as_complete], objectives)]
        found.append(
            BesideFront(
                candidate=each,
                better=tuple(m.number for m in better),
                worse=tuple(m.number for m in worse),
            )
        )
    return found
