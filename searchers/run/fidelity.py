"""How well the short score ranks: long trainings, other seeds and scores of a sample."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...evaluators.accuracy.option_table import read_options
from ...evaluators.diagnostics import read_diagnostics
from ...evaluators.metrics import long_name
from ...evaluators.scores import ALL, read_scores
from ...results.analysis.corrected import predictable
from ...results.analysis.correction import FEWEST
from ...results.analysis.fidelity import Fidelity, compare, stratified
from ...results.candidate import Candidate
from ...results.study.storage_url import DEFAULT_STORAGE
from ...results.study.study import Study
from ...search_space.errors import InputError
from .diagnosing import diagnose_candidates, lacking_diagnostics
from .ledger import Ledger
from .lengthen import lengthen, long_epochs
from .python_search import load_study
from .repeat import repeat_front
from .scoring import lacking_scores, score_candidates
from .study_plan import Listener, Training, training_of
from .with_recipe import lacking_score, recipe_plan, train_with_recipe

DEFAULT_SAMPLE = 24
"""Default number of candidates that are trained longer."""
DEFAULT_SEEDS = 2
"""Default number of short trainings of each, with that of the search."""


@dataclass(frozen=True, kw_only=True)
class FidelityRequest:
    """What is measured.

    Raises:
        InputError: If a number is too small, or a score unknown.
    """

    sample: int = DEFAULT_SAMPLE
    """Candidates that are trained longer, at least 4; a study with fewer gives all."""
    epochs: int | None = None
    """Epochs of the long training; None: those of earlier ones, else five times the search's."""
    seeds: int = DEFAULT_SEEDS
    """Short trainings of each candidate with different seeds; 1: that of the search alone."""
    scores: tuple[str, ...] = (ALL,)
    """Training-free scores to compute where they are not recorded; none: only recorded ones."""
    diagnostics: tuple[str, ...] = ()
    """Diagnostics of the search's kept weights to compute where they are not recorded."""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Recipe options of one more short training, whose ranking is compared; none: no such one."""
    seed: int = 0
    """Seed of the sample and of the intervals, at least 0."""

    def __post_init__(self) -> None:
        if self.sample < FEWEST:
            raise InputError(f"sample must be at least {FEWEST} candidates, but got {self.sample}")
        if self.seeds < 1:
            raise InputError(f"seeds must be at least 1, but got {self.seeds}")
        if self.seed < 0:
            raise InputError(f"seed must be at least 0, but got {self.seed}")
        object.__setattr__(self, "scores", read_scores(self.scores))
        object.__setattr__(self, "diagnostics", read_diagnostics(self.diagnostics))
        if self.recipe:
            object.__setattr__(self, "recipe", read_options(self.recipe))


Steps = Callable[[str, int, int], None]
"""Called with the name of a part of the work, the number of finished steps, and that of all."""


def _silent(candidate: Candidate, reason: str | None) -> None:
    """Say nothing."""


def _counted(steps: Steps, what: str, count: int, listener: Listener) -> Listener:
    """Return a listener that counts the steps of a part, after another listener."""
    done = 0
    steps(what, done, count)

    def said(candidate: Candidate, reason: str | None) -> None:
        nonlocal done
        done += 1
        listener(candidate, reason)
        steps(what, done, count)

    return said


def measure_fidelity(
    study: Study,
    training: Training,
    request: FidelityRequest,
    *,
    said_long: Listener,
    said_seeds: Listener,
    said_recipe: Listener = _silent,
    steps: Steps = lambda what, done, count: None,
) -> Fidelity:
    """Train a sample of candidates longer and with other seeds; compare the rankings.

    Everything is stored in the study, as ``nas refine`` does, so a repeated call goes on.

    Args:
        study: The study.
        training: How its candidates are trained.
        request: What is measured.
        said_long: Called after each long training.
        said_seeds: Called after each training with another seed.
        said_recipe: Called after each training with the recipe options.
        steps: Called at the beginning of each part and after each of its steps, with the name of
            the part, the number of finished steps and of all.

    Raises:
        InputError: If the study has no main metric or too few complete candidates, the epochs of
            the long training cannot be, or another process searches it.
    """
    short = study.settings.main_metric
    if short not in training.metrics:
        raise InputError(
            f"nas fidelity compares trainings by the metric {short}, but study {study.name!r} "
            f"trains for {', '.join(training.metrics)}"
        )
    usable = predictable(study.candidates())
    if len(usable) < FEWEST:
        raise InputError(
            f"nas fidelity needs at least {FEWEST} complete candidates, but study {study.name!r} "
            f"has {len(usable)}"
        )
    epochs = long_epochs(study, request.epochs)
    chosen = recipe_plan(study, training, request.recipe) if request.recipe else None
    numbers = sorted(each.number for each in stratified(usable, request.sample, request.seed))
    sample = [each for each in usable if each.number in numbers]
    failed: dict[int, str] = {}

    def note(what: str, reasons: Mapping[int, str]) -> None:
        """Keep the reasons of a part of the work beside those of the parts before it."""
        for number, reason in reasons.items():
            before = f"{failed[number]}; " if number in failed else ""
            failed[number] = f"{before}{what}: {reason}"

    def counted(what: str, count: int, listener: Listener = _silent) -> Listener:
        return _counted(steps, what, count, listener)

    if names := request.scores:
        said = counted("scores", len(lacking_scores(sample, names, numbers)))
        note("scores", score_candidates(study, training, names, numbers, Ledger(), said).failed)
    if names := request.diagnostics:
        said = counted("diagnostics", len(lacking_diagnostics(study, names, numbers)))
        note("diagnostics", diagnose_candidates(study, training, names, numbers, Ledger(), said))
    if chosen is not None:
        said = counted("recipe", len(lacking_score(sample, chosen[0])), said_recipe)
        note("recipe", train_with_recipe(study, training, chosen, numbers, Ledger(), said))
    said = counted(
        "long trainings", sum(long_name(short) not in e.measurements for e in sample), said_long
    )
    note("long training", lengthen(study, training, numbers, epochs, Ledger(), said).failed)
    if request.seeds > 1:
        had = [max(1, len(each.singles.get(short, ()))) for each in sample]
        said = counted("other seeds", sum(max(0, request.seeds - e) for e in had), said_seeds)
        repeated = repeat_front(study, training, request.seeds, Ledger(), said, numbers)
        note("another seed", repeated.failed)
    return compare(study.candidates(), numbers, seed=request.seed, failed=failed)


def fidelity(
    study: Study | str | None = None,
    *,
    sample: int = DEFAULT_SAMPLE,
    epochs: int | None = None,
    seeds: int = DEFAULT_SEEDS,
    scores: str | Collection[str] = ALL,
    diagnostics: str | Collection[str] = (),
    recipe: str | Mapping[str, Any] = "",
    seed: int = 0,
    engine: str = "local",
    workers: int | None = None,
    storage: str | Path = DEFAULT_STORAGE,
) -> Fidelity:
    """Measure how well the short score of a study ranks its candidates.

    A repeated call continues. Workers are processes, so a script must call this under
    ``if __name__ == "__main__":``.

    Args:
        study: The study, or its name; None: the latest.
        sample: Candidates to train longer, at least 4, spread over the short score and the MACs.
        epochs: Epochs of the long training; None: those of earlier long trainings of the study,
            else five times the search's own.
        seeds: Short trainings of each candidate with different seeds, that of the search included.
        scores: Training-free scores to compare, such as ``"naswot,zico"``, or ``"all"``; recorded
            ones are compared in any case.
        diagnostics: Diagnostics of the search's kept weights to compare, or ``"all"``.
        recipe: Recipe options, as of ``search``: one more short training of each candidate has
            them, and its ranking is compared with that of the long training, which has the study's.
        seed: Seed of the sample and of the intervals.
        engine: Name of the engine.
        workers: Candidates trained at once; None: one per core, or one on a GPU.
        storage: Storage of a study given by name.

    Raises:
        InputError: If an argument cannot be used.
    """
    request = FidelityRequest(
        sample=sample,
        epochs=epochs,
        seeds=seeds,
        scores=_listed(scores),
        diagnostics=_listed(diagnostics),
        recipe=read_options(recipe) if recipe else {},
        seed=seed,
    )
    found = study if isinstance(study, Study) else load_study(study, storage)
    training = training_of(found, engine=engine, workers=workers)
    return measure_fidelity(
        found,
        training,
        request,
        said_long=_silent,
        said_seeds=_silent,
    )


def _listed(names: str | Collection[str]) -> tuple[str, ...]:
    listed: Sequence[str] = names.split(",") if isinstance(names, str) else tuple(names)
    return tuple(each for each in listed if each)
