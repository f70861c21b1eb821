"""Components to try: few, so that tests are quick, but with every knob at both of its ends.

The scripts of ``benchmarks/`` try more: ``corners.py``, ``component_costs.py``.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from nas_explorer.search_space.components.base import Component, field_domains
from nas_explorer.search_space.domains import Positive

LARGE = 12
"""No larger number is tried where a domain has a smaller one: it takes longer, and runs the same
code."""


def ends(cls: type[Component], large: int = LARGE) -> dict[str, tuple[Any, Any]]:
    """The least and the largest value to try of each knob; those of an open domain lie around the
    default."""
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
    """The default with each knob at its ends, one knob at a time."""
    for name, values in ends(cls, large).items():
        yield from (replace(cls(), **{name: value}) for value in values)


def opposites(
    cls: type[Component], possible: Callable[[Component], bool] = lambda _: True
) -> list[Component]:
    """Two components that differ in every knob, each knob at an end, by chance which.

    Where hardly any two are possible, several: each knob at its ends, one at a time.
    """
    draw = random.Random(f"{cls.kind} {cls.name}")
    for _ in range(20):
        turned = {name: draw.sample(values, 2) for name, values in ends(cls).items()}
        both = [replace(cls(), **{name: v[side] for name, v in turned.items()}) for side in (0, 1)]
        if all(map(possible, both)):
            return list(dict.fromkeys(both))
    return [each for each in dict.fromkeys(one_by_one(cls)) if possible(each)]
