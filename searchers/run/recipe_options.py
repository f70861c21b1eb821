"""The recipe of a search's short training, from its options and its data."""

from collections.abc import Container
from dataclasses import replace

from ...evaluators.accuracy.data.dataset import SearchData
from ...evaluators.accuracy.recipe import Recipe
from ...search_space.errors import InputError
from .options import SearchOptions


def chosen_recipe(options: SearchOptions, data: SearchData, evaluators: Container[str]) -> Recipe:
    """Return the recipe of the data, changed by the options.

    Args:
        options: Options of the search.
        data: The data.
        evaluators: Names of the search's evaluators.

    Raises:
        InputError: If an option changes a recipe that the search does not use.
    """
    given = {"epochs": options.epochs, "class_weights": options.class_weights}
    changes = {name: value for name, value in given.items() if value}
    if changes and "accuracy" not in evaluators:
        raise InputError(
            f"{next(iter(changes))} must come with the metric accuracy, of whose training it is an "
            f"option, but this search trains for {', '.join(options.objectives)}"
        )
    return replace(data.recipe, **changes)
