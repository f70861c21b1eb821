"""Short trainings with recipe options, whose score is compared with those without
(``nas fidelity --recipe``)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...evaluators.accuracy.data.dataset import DataSpec, load_search_data
from ...evaluators.accuracy.option_table import options_text
from ...evaluators.accuracy.recipe import Recipe
from ...evaluators.accuracy.recipes.checks import check_options
from ...evaluators.metrics import recipe_name
from ...results.candidate import Candidate
from ...results.final.sources import with_teacher
from ...results.study.study import Study
from ...search_space.errors import InputError
from .ledger import Ledger
from .search import recorded_time
from .start_weights import kept_teacher
from .study_plan import Listener, Training
from .training_jobs import TrainingJobs
from .worker import Plan


def recipe_plan(study: Study, training: Training, given: Mapping[str, Any]) -> tuple[str, Plan]:
    """Return the name of the score with recipe options, and the plan that measures it.

    The options stand in place of those of the study.

    Args:
        study: The study.
        training: How its candidates are trained.
        given: The options, as ``read_options`` returns them.

    Raises:
        InputError: If they do not go with the data or the metric, equal those of the study, or the
            teacher cannot be read.
    """
    main, settings = study.settings.main_metric, training.plan.settings
    options, teacher = with_teacher(given)
    recipe = replace(Recipe.from_json(settings["accuracy"]), options=options)
    if recipe.to_json() == Recipe.from_json(settings["accuracy"]).to_json():
        raise InputError(
            f"recipe must be other options than those of the search, but study {study.name!r} has "
            f"{options_text(options)} too"
        )
    spec = DataSpec.from_json(training.plan.data)
    check_options(recipe, load_search_data(spec, cache=Path(training.plan.cache)), (), teacher)
    plan = replace(
        training.plan,
        metrics=(main,),
        settings={**settings, "accuracy": recipe.to_json()},
        teacher=kept_teacher(study.weights, recipe.to_json(), teacher),
    )
    return recipe_name(main, options_text(options)), plan


def lacking_score(candidates: Sequence[Candidate], name: str) -> list[Candidate]:
    """Return the candidates without a score."""
    return [each for each in candidates if name not in each.measurements]


def train_with_recipe(
    study: Study,
    training: Training,
    chosen: tuple[str, Plan],
    numbers: Sequence[int],
    ledger: Ledger,
    listener: Listener,
) -> Mapping[int, str]:
    """Train candidates with recipe options; return the reasons for trainings that failed.

    A candidate that has the score is not trained again. The search's own seed is used, so that the
    options alone differ.

    Args:
        study: The study.
        training: How its candidates are trained.
        chosen: The name of the score and its plan, from ``recipe_plan``.
        numbers: The candidates.
        ledger: Ledger of the time of this run.
        listener: Called after each training has been stored.

    Raises:
        InputError: If another process searches the study.
    """
    name, plan = chosen
    with study.exclusive(), recorded_time(study, ledger, training.engine):
        sample = [each for each in study.candidates() if each.number in numbers]
        source = TrainingJobs(study, lacking_score(sample, name), name, ledger, listener)
        if not source.done:
            training.engine.run(source, plan)
    return source.failed
