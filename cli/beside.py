"""The baselines beside a front."""

from typing import TYPE_CHECKING

from .shared import Column, print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.candidate import Candidate
    from ..results.study.study import Study


def print_baselines(
    study: "Study",
    front: "Sequence[Candidate]",
    objectives: "Sequence[str]",
    names: "Sequence[str]",
) -> None:
    """Print the baselines with their metrics, and how they stand to the front; nothing if there
    are none.

    Args:
        study: The record.
        front: The candidates on the front.
        objectives: The metrics that are compared.
        names: The metrics that are printed.
    """
    from ..results.analysis.baselines import beside_front
    from ..results.numbers import format_measurement

    found = beside_front(study.candidates(), front, objectives)
    if not found:
        return
    print("Baselines, trained on the same data by the same recipe:")
    rows = [
        [
            str(each.candidate.number),
            each.name,
            *(format_measurement(each.candidate.measurements.get(name)) for name in names),
            each.text,
            each.candidate.outline(),
        ]
        for each in found
    ]
    columns = [Column(title=each) for each in ("#", "baseline", *names, "to the front")]
    print_rows([*columns, Column(title="architecture", cut=True)], rows)
