"""Which members of a front are right about different images (``nas front --pairs``)."""

from typing import TYPE_CHECKING

from .fronts import sorted_front
from .shared import print_json, print_rows, shown
from .working import working

if TYPE_CHECKING:
    from ..results.study.study import Study

_MOST = 12
"""Maximum number of members whose pairs are computed."""


def print_pairs(record: "Study", *, as_json: bool) -> int:
    """Print the pairs of the front's members and baselines; return 1 if there is none.

    Raises:
        InputError: If the study's targets are not classes, or its data are not here.
    """
    from ..evaluators.accuracy.data.cache import image_cache
    from ..evaluators.accuracy.data.dataset import DataSpec, load_search_data
    from ..results.analysis.baselines import baselines
    from ..results.analysis.complementarity import pairs, points
    from ..results.export.predictions import class_probabilities
    from ..results.export.weights import WeightsFolder

    members = sorted_front(record)
    chosen = [*members[:_MOST], *baselines(record.candidates())]
    with working("Reading the images") as view:
        data = load_search_data(DataSpec.from_json(record.settings.data), cache=image_cache())
        probabilities, lacking = class_probabilities(
            WeightsFolder(record.weights),
            chosen,
            data,
            lambda done: view.count("Predicting", done, len(chosen)),
        )
        found = pairs(probabilities, data.validation_labels.numpy(), seed=record.settings.seed)
    if as_json:
        print_json(
            {
                "pairs": [each.to_json() for each in found],
                "without_weights": {str(number): why for number, why in lacking.items()},
            }
        )
        return int(not found)
    names = {
        each.number: f"{each.number} ({each.origin['baseline']})"
        for each in chosen
        if each.status == "baseline"
    }
    rows = [
        [
            " + ".join(names.get(number, str(number)) for number in each.numbers),
            *(shown("accuracy", accuracy) for accuracy in each.accuracies),
            f"{100 * each.agreement:.1f} %",
            points(each.oracle),
            points(each.ensemble),
        ]
        for each in found
    ]
    if rows:
        print_rows(["pair", "accuracy", "of the other", "agree", "oracle", "ensemble"], rows)
        print(
            "Oracle: at least one is right; ensemble: the mean of the probabilities. Both in "
            "points above the better of the two, on the validation split."
        )
    else:
        print(f"Study {record.name} has no two candidates of the front with kept weights.")
    if len(members) > _MOST:
        print(f"Note: of the first {_MOST} of {len(members)} candidates on the front")
    for number, why in lacking.items():
        print(f"Note: without candidate {number}: {why}")
    return int(not found)
