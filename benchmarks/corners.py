"""Can every valid combination of components, knobs and maps be built and run?

Each registered component is tested with each knob at its ends, all knobs at their ends together,
some random knobs, and each norm inside, on maps from one pixel and one channel up. A valid
combination must build, give finite scores of the right shape for a batch of one, and train one step
on two images. Invalid combinations are counted: some would run, but not as their knobs say (for
example, groups that do not divide the channels). Disagreements are listed. The last line is JSON;
the exit code is 1 if there are any.

    python benchmarks/corners.py [--quick] [--random N] [--seed N] [--only NAME]
"""

import argparse
import json
import platform
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from nas_explorer.search_space.components.base import Component, Norm, field_domains
from nas_explorer.search_space.components.base import field_kinds as nested
from nas_explorer.search_space.components.norms import NORMS
from nas_explorer.search_space.components.tables import TABLES
from nas_explorer.search_space.domains import Domain, Positive
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.shapes import Shape

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.contracts.cases import Wired, part_list, width_of

CHANNELS = (1, 2, 3, 4, 8, 12, 32)
SIDES = ((1, 1), (1, 2), (2, 2), (1, 6), (7, 5))
SHAPES = [Shape(channels, *side) for channels in CHANNELS for side in SIDES]
QUICK = [Shape(8, 1, 1)]
"""Shapes of the maps in a quick run."""

OUT = 6
"""Output channels of a resampler, and classes of a head."""

LARGE = 16
"""Largest tested value of a knob, since larger modules could fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A disagreement: a valid component that fails."""

    component: str
    """Kind, name and knobs of the component."""
    shape: str
    """Shape of the map."""
    failed: str
    """Reason why the component cannot be built and run."""


def ends(domain: Domain, value: Any) -> tuple[Any, ...]:
    """Return the least and the largest value to test; for an unbounded domain, values around
    one.
    """
    if isinstance(domain, Positive):
        return (1, 3, 2 * value) if domain.whole else (1e-6, value / 3, 2 * value)
    small = [each for each in domain.values if isinstance(each, str | bool) or each <= LARGE]
    return (small[0], small[-1]) if domain.ordered else tuple(small)


def corners(cls: type[Component], count: int, seed: int) -> Iterator[Component]:
    """Yield the default, all knobs at their ends, each knob at its ends, and ``count`` random
    values.

    If ``count`` is 0, yield only the default and the least values.
    """
    default = cls()
    choices: dict[str, tuple[Any, ...]] = {
        name: ends(domain, getattr(default, name)) for name, domain in field_domains(cls).items()
    }
    for name, kind in nested(cls).items():
        if kind is Norm:
            choices[name] = tuple(norm() for norm in NORMS.values())
    yield default
    yield replace(default, **{name: values[0] for name, values in choices.items()})
    if not count:  # a quick run
        return
    yield replace(default, **{name: values[-1] for name, values in choices.items()})
    for name, values in choices.items():
        for value in values:
            yield replace(default, **{name: value})
    draw = random.Random(f"{seed} {cls.kind} {cls.name}")
    for _ in range(count):
        yield replace(default, **{name: draw.choice(values) for name, values in choices.items()})


def failure(component: Component, shape: Shape) -> str | None:
    """Return why a component cannot be built and run on a map, or none."""
    draw = torch.Generator().manual_seed(0)
    try:
        parts = part_list(component, shape, OUT)
        module = Wired(parts)
        one = module.eval()(torch.randn(1, *shape))
        promised = parts.parts[-1].out_shape if parts.parts else shape
        if one.numel() != promised.channels * promised.tokens or not one.numel():
            return f"it gives {tuple(one.shape)}, not {promised}"
        two = torch.randn(2, *shape, generator=draw, requires_grad=True)
        y = module.train()(two)
        y.square().mean().backward()
    except Exception as error:  # a module may raise anything
        first = str(error).partition("\n")[0]
        return f"{type(error).__name__}: {first[:160]}"
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    whole = one.isfinite().all() and y.isfinite().all()
    return None if whole and all(g.isfinite().all() for g in grads) else "it is not finite"


def look(
    cls: type[Component], shapes: Sequence[Shape], count: int, seed: int
) -> tuple[int, int, list[Disagreement]]:
    """Return the numbers of valid and of invalid combinations of a component, and the failures."""
    tried = refused = 0
    found: list[Disagreement] = []
    for component in dict.fromkeys(corners(cls, count, seed)):
        for shape in shapes:
            if component.why_invalid(shape, width_of(component, OUT)):
                refused += 1
                continue
            tried += 1
            if failed := failure(component, shape):
                label = f"{component.kind} {component.label()}"
                found.append(Disagreement(component=label, shape=str(shape), failed=failed))
    return tried, refused, found


def main() -> None:
    """Check all components, print the disagreements and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--random", type=int, default=8, help="random corners of each component")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only components of this name")
    options = parser.parse_args()
    torch.manual_seed(0)
    classes = [cls for table in TABLES.values() for cls in table.values()]
    if options.only:
        classes = [cls for cls in classes if cls.name == options.only]
    if not classes:
        raise SystemExit(str(InputError(f"no component has the name {options.only!r}")))
    shapes, count = (QUICK, 0) if options.quick else (SHAPES, options.random)
    started = time.perf_counter()
    tried, refused, wrong = 0, 0, list[Disagreement]()
    for cls in classes:
        ran, not_run, found = look(cls, shapes, count, options.seed)
        tried, refused, wrong = tried + ran, refused + not_run, wrong + found
        for one in found:
            print(f"{one.component} on {one.shape}: {one.failed}", flush=True)
    about = {
        "components": len(classes),
        "run": tried,
        "refused": refused,
        "disagreements": len(wrong),
        "seconds": time.perf_counter() - started,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    print(json.dumps(about))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
