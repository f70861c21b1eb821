"""Checks of a recipe's options against the data, before a training begins."""

from collections.abc import Collection

from ....search_space.errors import InputError
from ..data.dataset import SearchData
from ..option_table import OPTIONS, teacher_text
from ..recipe import Recipe
from ..source import Source


def ends_with_classes(recipe: Recipe) -> bool:
    """Whether a training ends with a classifier of the data's classes, not of rotations."""
    heads = [name for name in recipe.options if OPTIONS[name].acts == "head"]
    return "rotation" not in recipe.options or bool(heads)


def check_options(
    recipe: Recipe, data: SearchData, wanted: Collection[str], teacher: Source | None
) -> None:
    """Check that a recipe's options can be used on the data.

    Args:
        recipe: The recipe.
        data: The data.
        wanted: Names of the metrics besides the accuracy.
        teacher: The network that teaches.

    Raises:
        InputError: If an option or a metric needs classes that the data or the network do not have,
            or the teacher is missing or does not fit the data.
    """
    classes = [name for name in recipe.options if OPTIONS[name].classes]
    if classes and data.target != "classes":
        raise InputError(
            f"{classes[0]} must come with data of classes, but got data of {data.target}"
        )
    if wanted and not ends_with_classes(recipe):
        raise InputError(
            f"{min(wanted)} must be without rotation, or with linear_probe, since it needs classes"
        )
    named = teacher_text(recipe.options)
    if bool(named) != (teacher is not None):
        raise InputError(
            f"trainings must have the teacher that the recipe names, {named or 'none'}, but got "
            f"{'none' if teacher is None else teacher.name}"
        )
    if teacher is not None:
        any_classes = any(OPTIONS[name].any_teacher for name in recipe.options)
        check_teacher(teacher, data, any_classes=any_classes)


def check_teacher(teacher: Source, data: SearchData, *, any_classes: bool = False) -> None:
    """Check that a teacher takes the images of the data and knows their classes.

    Args:
        teacher: The teacher.
        data: The data.
        any_classes: Whether it may know others.

    Raises:
        InputError: If it does not.
    """
    if not any_classes and teacher.classes != data.classes:
        theirs = "unknown ones" if teacher.classes is None else ", ".join(teacher.classes[:4])
        raise InputError(
            f"a teacher must have been trained on the classes of the data, but {teacher.name} has "
            f"{theirs}"
        )
    wanted = (data.channels, data.resolution, data.resolution)
    given = tuple(teacher.architecture.input)
    if given != wanted:
        ours, theirs = ("x".join(map(str, each)) for each in (wanted, given))
        raise InputError(f"a teacher must take images of {ours}, but {teacher.name} takes {theirs}")
