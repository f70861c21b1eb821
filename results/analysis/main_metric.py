"""The main metric of candidates, with the names of its long and predicted scores."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...evaluators.metrics import MAIN_METRICS, long_name, predicted_name
from ..candidate import Candidate


@dataclass(frozen=True, kw_only=True)
class MainMetric:
    """The names of a main metric after several trainings."""

    short: str
    """After the short training of the search: ``accuracy``."""

    @property
    def long(self) -> str:
        """After a long training: ``accuracy_long``."""
        return long_name(self.short)

    @property
    def predicted(self) -> str:
        """Predicted for a long training: ``accuracy_predicted``."""
        return predicted_name(self.short)


def main_metric(candidates: Iterable[Candidate]) -> MainMetric:
    """Return the main metric that candidates of one study have; accuracy where none has one."""
    names = [each.name for each in MAIN_METRICS.values()]
    for candidate in candidates:
        for name in names:
            if name in candidate.measurements:
                return MainMetric(short=name)
    return MainMetric(short=names[0])
