"""The diagnostics of one trained network."""

from collections.abc import Collection

from .base import CandidateError
from .cost.evaluator import CostEvaluator
from .diagnostics import load_diagnostic, read_diagnostics
from .measure_scores import Scored
from .scores import ALL
from .trained.base import Trained


def measure_diagnostics(trained: Trained, names: str | Collection[str] = ALL) -> Scored:
    """Return diagnostics of a trained network, with its exact costs.

    Args:
        trained: The network with its data.
        names: Names of diagnostics, or ``all``.

    Raises:
        CandidateError: If the costs of the network cannot be counted.
        InputError: If a name is unknown.
    """
    wanted = read_diagnostics(names)
    found = {each.metric: each for each in CostEvaluator().measure(trained.architecture)}
    undefined: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = load_diagnostic(name)().measure(trained)
        except CandidateError as error:
            undefined[name] = str(error)
    return Scored(measurements=found, undefined=undefined)
