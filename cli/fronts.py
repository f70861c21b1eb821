"""The front of a study, and the number of candidates that its accuracy distinguishes."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..results.candidate import Candidate
    from ..results.study.study import Study


def sorted_front(
    study: "Study",
    sort: str | None = None,
    *,
    intervals: bool = False,
    corrected: bool = False,
) -> "list[Candidate]":
    """Return the front sorted by a metric, the best first; None: by the first objective.

    Args:
        study: The record.
        sort: The metric.
        intervals: Whether to keep every candidate that may be on the front, see ``pareto_front``.
        corrected: Whether to use the long scores, measured or predicted.

    Raises:
        InputError: If the metric is unknown, or there are no long scores.
    """
    from ..evaluators.base import metric
    from ..evaluators.units import read_metric
    from ..results.analysis.front import pareto_front

    objectives, candidates = compared(study, corrected=corrected)
    by = metric(objectives[0] if sort is None else read_metric(sort))
    members = pareto_front(candidates, objectives, intervals=intervals)
    worst = math.inf if by.direction == "minimize" else -math.inf

    def key(candidate: "Candidate") -> float:
        value = candidate.value(by.name)
        return worst if value is None else value

    return sorted(members, key=key, reverse=by.direction == "maximize")


def compared(study: "Study", *, corrected: bool) -> "tuple[tuple[str, ...], Sequence[Candidate]]":
    """Return the objectives and the candidates of a front; ``corrected``: with long scores."""
    from ..results.analysis.corrected import with_long_scores
    from ..results.analysis.main_metric import main_metric
    from ..search_space.errors import InputError

    objectives, candidates = study.settings.objectives, study.candidates()
    if not corrected:
        return objectives, candidates
    found, names = with_long_scores(candidates), main_metric(candidates)
    if names.short not in objectives or not found:
        without = f"objectives without {names.short}"
        what = without if names.short not in objectives else "no long scores"
        raise InputError(
            f"a corrected front must have long scores (nas refine --long 10), but study "
            f"{study.name!r} has {what}"
        )
    return tuple(names.long if name == names.short else name for name in objectives), found


def resolution_text(study: "Study") -> str:
    """Return the number of candidates that the main metric distinguishes; empty for no doubt."""
    from ..evaluators.units import plural
    from ..results.analysis.pick import count_distinguishable

    candidates = study.candidates()
    main = study.settings.main_metric
    apart, alike = count_distinguishable(candidates, main)
    complete = sum(each.status == "complete" for each in candidates)
    if alike < 2:
        return ""
    return (
        f"The validation split distinguishes at most {apart} of {plural(complete, 'candidate')} by "
        f"{main} (95 % intervals that do not overlap); {alike - 1} may be as good as the best."
    )


def fidelity_text(study: "Study") -> str:
    """Return one sentence on how well the short score ranks, or how to know."""
    from ..results.analysis.fidelity import known_fidelity
    from .shared import study_option

    found = known_fidelity(study.candidates(), seed=study.settings.seed)
    ask = f"nas fidelity {study_option(study.name)}"
    return found or f"How well the short score ranks is not measured here: {ask} measures it."


def epoch_text(number: int, point: "Mapping[str, float]") -> str:
    """Return an epoch of a learning curve as text."""
    scores = [
        f"{key.removeprefix('validation_')} {value:.4f}"
        for key, value in point.items()
        if key.startswith("validation_") and key != "validation_loss"
    ]
    losses = (
        f"training loss {point['train_loss']:.4g}",
        f"validation loss {point['validation_loss']:.4g}",
    )
    return f"epoch {number}: {', '.join((*losses, *scores))}"


def score_notes(study: "Study", names: "Iterable[str]") -> list[str]:
    """Return for each training-free score among metrics how well it ranks in the study."""
    from ..evaluators.base import metric
    from ..results.analysis.fidelity import score_note

    scores = [name for name in names if metric(name).score]
    candidates = study.candidates() if scores else []
    found = {name: score_note(candidates, name, seed=study.settings.seed) for name in scores}
    unknown = ", ".join(name for name, note in found.items() if note is None)
    lines = [note for note in found.values() if note is not None]
    if unknown:
        lines.append(
            f"how {unknown} ranks by {study.settings.main_metric} is not known: too few "
            "candidates have both"
        )
    return lines
