"""A summary of a study in a few lines."""

from collections import Counter
from collections.abc import Sequence

from ..analysis.front import best, pareto_front, superlative
from ..candidate import Candidate
from ..numbers import format_measurement


def study_facts(
    candidates: Sequence[Candidate], objectives: Sequence[str]
) -> list[tuple[str, str]]:
    """Return progress and best value of each objective as pairs of name and text."""
    front = pareto_front(candidates, objectives)
    counts = Counter(each.status for each in candidates)
    by_status = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    facts = [("candidates", by_status or "none yet"), ("on the front", str(len(front)))]
    for name in objectives if front else ():
        found = best(front, name)
        value = format_measurement(found.measurements[name])
        facts.append((f"{superlative(name)} {name}", f"{value}, candidate {found.number}"))
    if epochs := sum(each.epochs for each in candidates):
        facts.append(("training epochs", f"{epochs:,}"))
    return facts
