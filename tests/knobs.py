"""Test cases of components: few, for speed, but with every knob at both ends.

``benchmarks/corners.py`` and ``component_costs.py`` test more.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from nas_explorer.search_space.components.base import Component, field_domains
from nas_explorer.search_space.domains import Positive

LARGE = 12
"""Largest tested value of a domain with smaller ones: larger values take longer and run the same
code."""


def ends(cls: type[Component], large: int = LARGE) -> dict[str, tuple[Any, Any]]:
    """Return the least and the largest value to test of each knob; for an unbounded domain, values
    around the default.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for name, domain in field_domains(cls).items():
        if isinstance(domain, Positive):
            value: Any = getattr(cls(), name)
            found[name] = (max(1, value // 2) if domain.whole else value / 3, 2 * value)
        else:
            small = [each for each in domain.values if isinstance(each, str) or each <= large]
            found[name] = (domain.values[0], small[-1] if len(small) > 1 else domain.values[-1])
    return found


def one_by_one(cls: type[Component], large: int = LARGE) -> Iterator[Component]:
    """Yield the default with each knob at its ends, one knob at a time."""
    for name, values in ends(cls, large).items():
        yield from (replace(cls(), **{name: value}) for value in values)


def opposites(
    cls: type[Component], possible: Callable[[Component], bool] = lambda _: True
) -> list[Component]:
    """Return two components that differ in every knob, with each knob at a random end.

    If hardly any pair is valid, both differ in as many knobs as may be, one knob after the other,
    and further components have an end of the others, each alone.
    """
    draw = random.Random(f"{cls.kind} {cls.name}")
    for _ in range(20):
        turned = {name: draw.sample(values, 2) for name, values in ends(cls).items()}
        both = [replace(cls(), **{name: v[side] for name, v in turned.items()}) for side in (0, 1)]
        if all(map(possible, both)):
            return list(dict.fromkeys(both))
    both, alone = [cls(), cls()], list[Component]()
    for name, values in ends(cls).items():
        for side, value in enumerate(draw.sample(values, 2)):
            turned = replace(both[side], **{name: value})
            if possible(turned):
                both[side] = turned
            else:
                alone.append(replace(cls(), **{name: value}))
    return [each for each in dict.fromkeys((*both, *alone)) if possible(each)]
