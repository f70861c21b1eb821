"""Are the costs of every component right, for all its knobs?

Each registered component that can be built alone is tested on a small map, with one knob at a time
at both ends of its domain. Its additive costs must equal fvcore's counts with our handles, its peak
memory must be that of the live tensors in a run, and a trace of its default without numbers must
count what one with numbers does. ``tests/contracts/test_costs.py`` and
``tests/evaluators/test_cost_trace.py`` make the same checks with fewer knobs and components.
Disagreements are listed. The last line is JSON; the exit code is 1 if there are any.

    python benchmarks/component_costs.py [--quick] [--only NAME]
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import torch
from nas_explorer.search_space.components.base import Component
from nas_explorer.search_space.domains import LARGEST
from nas_explorer.search_space.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.contracts.cases import SHAPES, refusal
from tests.contracts.test_costs import BUILT, assert_costs_what_it_takes
from tests.evaluators.test_cost_trace import assert_nothing_need_be_computed
from tests.knobs import one_by_one

SHAPE = SHAPES[1]


def failure(component: Component) -> str | None:
    """Return the error in the costs of a component, or None."""
    try:
        assert_costs_what_it_takes(component, SHAPE)
        if component == type(component)():
            assert_nothing_need_be_computed(component)
    except Exception as error:  # a difference, or an operation without a formula
        return f"{component.kind} {component.label()}: {type(error).__name__}: {error}"
    return None


def main() -> None:
    """Check all components, print the disagreements and the JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: the first components")
    parser.add_argument("--only", default="", help="only components of this name")
    options = parser.parse_args()
    torch.set_num_threads(1)
    classes = [cls for cls in BUILT if options.only in ("", cls.name)]
    if not classes:
        raise SystemExit(str(InputError(f"no component has the name {options.only!r}")))
    started = time.process_time()
    tried = 0
    wrong: list[str] = []
    for cls in classes[:5] if options.quick else classes:
        for component in dict.fromkeys([cls(), *one_by_one(cls, large=LARGEST)]):
            if refusal(component, SHAPE) is None:
                tried += 1
                if found := failure(component):
                    wrong.append(found)
                    print(found, flush=True)
    about = {
        "components": len(classes),
        "tried": tried,
        "disagreements": len(wrong),
        "seconds": time.process_time() - started,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    print(json.dumps(about))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
