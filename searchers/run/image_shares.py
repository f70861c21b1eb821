"""Trainings of one candidate on parts of the training images."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...evaluators.accuracy.data.cache import image_cache
from ...evaluators.accuracy.data.dataset import DataSpec, load_search_data
from ...evaluators.accuracy.recipe import Recipe
from ...evaluators.base import Measurement
from ...results.study.study import Study
from ...search_space.errors import InputError
from .ledger import Ledger
from .study_plan import Listener, training_of
from .with_recipe import recipe_plan, train_with_recipe

_OPTION = "image_share"


@dataclass(frozen=True, kw_only=True)
class OfImages:
    """A score after a training on a number of images."""

    images: int
    """Number of training images."""
    measured: Measurement
    """The study's main metric."""


def read_shares(text: str) -> tuple[float, ...]:
    """Return the shares of a list with commas, ascending; the whole, 1, is left out.

    Raises:
        InputError: If one is not a number above 0 and at most 1.
    """
    try:
        shares = sorted({float(each) for each in text.split(",")})
    except ValueError:
        shares = [0.0]
    if not all(0 < each <= 1 for each in shares):
        raise InputError(
            f"images must be shares above 0 and at most 1, as in 0.1,0.2,0.5, but got {text!r}"
        )
    return tuple(each for each in shares if each < 1)


def train_on_shares(
    study: Study,
    number: int,
    shares: Sequence[float],
    ledger: Ledger,
    listener: Listener,
    *,
    workers: int | None = None,
) -> list[OfImages]:
    """Train a candidate on parts of the images; return its scores, that of all images last.

    A share that was trained before is not trained again.

    Args:
        study: The study, whose plug-ins are loaded.
        number: Number of the candidate.
        shares: Shares of the training images, below 1.
        ledger: Ledger of the time of this run.
        listener: Called after each training, with the reason of a failure.
        workers: Trainings at once.

    Raises:
        InputError: If the candidate has no score, or the study's data are not here.
    """
    main = study.settings.main_metric
    if main not in study.find(number).measurements:
        raise InputError(f"a candidate must have {main}, but candidate {number} has none")
    training = training_of(study, workers=workers)
    own = Recipe.from_json(study.settings.recipe).options
    names: list[tuple[float, str]] = []
    for share in shares:
        chosen = recipe_plan(study, training, {**own, _OPTION: share})
        if not train_with_recipe(study, training, chosen, [number], ledger, listener):
            names.append((share, chosen[0]))
    candidate = study.find(number)
    data = load_search_data(DataSpec.from_json(study.settings.data), cache=image_cache())
    count = len(data.train_labels)
    found = [
        OfImages(images=max(2, round(share * count)), measured=candidate.measurements[name])
        for share, name in names
    ]
    return [*found, OfImages(images=count, measured=candidate.measurements[main])]
