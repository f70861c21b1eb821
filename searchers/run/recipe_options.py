"""The recipe of a search's short training, from its options and its data."""

from collections.abc import Container
from dataclasses import replace

from ...evaluators.accuracy.data.dataset import SearchData
from ...evaluators.accuracy.full_recipe import WARM
from ...evaluators.accuracy.inherit import Source
from ...evaluators.accuracy.recipe import Recipe
from ...results.final.sources import named_source
from ...search_space.errors import InputError
from .options import SearchOptions
from .start_weights import described


def chosen_recipe(
    options: SearchOptions, data: SearchData, evaluators: Container[str]
) -> tuple[Recipe, Source | None]:
    """Return the recipe of the data, changed by the options, and the weights it begins with.

    Args:
        options: Options of the search.
        data: The data.
        evaluators: Names of the search's evaluators.

    Raises:
        InputError: If an option changes a recipe that the search does not use, or the weights that
            trainings begin with cannot be read.
    """
    given = {name: getattr(options, name) for name in ("epochs", "class_weights", "init")}
    changes = {name: value for name, value in given.items() if value}
    if changes and "accuracy" not in evaluators:
        raise InputError(
            f"{next(iter(changes))} must come with the metric accuracy, of whose training it is an "
            f"option, but this search trains for {', '.join(options.objectives)}"
        )
    if options.init is None:
        return replace(data.recipe, **changes), None
    start = named_source(options.init)
    changes |= {"init": described(start), "lr": data.recipe.lr * WARM}
    return replace(data.recipe, **changes), start
