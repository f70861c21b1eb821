"""The fronts of a study by each latency that it records (``nas front --runtimes``)."""

from typing import TYPE_CHECKING, Any

from .shared import Column, print_json, print_rows, shown

if TYPE_CHECKING:
    from ..results.analysis.fragility import Fragility
    from ..results.study.study import Study


def print_fragility(record: "Study", *, as_json: bool) -> int:
    """Print who is on the front in which runtime; return 1 if there is only one latency."""
    from ..results.analysis.fragility import fragility

    found = fragility(record.columns(), record.settings.objectives)
    if as_json:
        print_json(None if found is None else _as_json(found))
        return int(found is None)
    if found is None:
        print(
            f"Study {record.name} has no candidates with two latencies; nas search --runtime A,B "
            "records them"
        )
        return 1
    by_number = {each.number: each for each in record.candidates()}
    names = list(found.fronts)
    rows = [
        [
            str(number),
            *(shown(name, by_number[number].value(name)) for name in found.objectives),
            *(
                shown(name, by_number[number].value(name))
                + (" *" if number in found.fronts[name] else "")
                for name in names
            ),
            by_number[number].outline(),
        ]
        for number in found.ever
    ]
    titles = [Column(title=each) for each in ("#", *found.objectives, *names)]
    print_rows([*titles, Column(title="architecture", cut=True)], rows)
    others = ", ".join(found.objectives) or "no other objective"
    print(
        f"* on the front of {others} and that latency, of the {found.candidates} candidates with "
        f"all {len(names)} latencies; on every front: {_list(found.always)}"
    )
    for name in names[1:]:
        rank = found.ranks[name]
        text = "too few candidates" if rank is None else rank.text()
        print(
            f"{name}: {100 * found.stay(name):.0f} % of the front by {found.first} stay; rank "
            f"correlation of the two {text}"
        )
    return 0


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _as_json(found: "Fragility") -> dict[str, Any]:
    return {
        "objectives": list(found.objectives),
        "candidates": found.candidates,
        "fronts": {name: list(each) for name, each in found.fronts.items()},
        "always": list(found.always),
        "stay": {name: found.stay(name) for name in found.fronts},
        "ranks": {
            name: None if each is None else each.to_json() for name, each in found.ranks.items()
        },
    }
