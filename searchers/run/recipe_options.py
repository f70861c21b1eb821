"""The recipe of a search's short training, from its options and its data."""

from collections.abc import Container
from dataclasses import replace

from ...evaluators.accuracy.data.dataset import SearchData
from ...evaluators.accuracy.full_recipe import WARM
from ...evaluators.accuracy.inherit import Source
from ...evaluators.accuracy.recipe import Recipe
from ...evaluators.accuracy.recipes.checks import check_options
from ...evaluators.metrics import CLASS_METRICS
from ...results.final.sources import described, named_source, with_teacher
from ...search_space.errors import InputError
from .options import SearchOptions

_FIELDS = ("epochs", "augmentation", "class_weights", "init", "recipe")
"""Options of a search that change the recipe."""


def chosen_recipe(
    options: SearchOptions, data: SearchData, evaluators: Container[str]
) -> tuple[Recipe, Source | None, Source | None]:
    """Return the recipe of the data, changed by the options, its start and its teacher.

    Args:
        options: Options of the search.
        data: The data.
        evaluators: Names of the search's evaluators.

    Raises:
        InputError: If an option changes a recipe that the search does not use, or the weights that
            trainings begin with or learn from cannot be read.
    """
    given = {name: getattr(options, name) for name in _FIELDS}
    changes = {name: value for name, value in given.items() if value}
    if changes and "accuracy" not in evaluators:
        raise InputError(
            f"{next(iter(changes))} must come with the metric accuracy, of whose training it is an "
            f"option, but this search trains for {', '.join(options.objectives)}"
        )
    changes.pop("recipe", None)
    changes["options"], teacher = with_teacher(options.recipe)
    start = None if options.init is None else named_source(options.init)
    if start is not None:
        changes |= {"init": described(start), "lr": data.recipe.lr * WARM}
    recipe = replace(data.recipe, **changes)
    wanted = [each.name for each in CLASS_METRICS if each.name in options.objectives]
    check_options(recipe, data, wanted, teacher)
    return recipe, start, teacher
