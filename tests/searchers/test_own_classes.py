"""Classes registered in a script or notebook, in the processes that measure."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from nas_explorer.evaluators.base import EVALUATORS, METRICS
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.errors import InputError
from nas_explorer.search_space.plugins import registered
from nas_explorer.searchers.run.own_classes import pickle_classes

import nas_explorer

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text("utf-8")
MIXER = PAGE.partition("# cross_mean.py\n")[2].partition("```")[0]
REGISTERS = f"""from __future__ import annotations
{MIXER}
import nas_explorer

FACTOR = 3

@nas_explorer.metric(unit="1", direction="maximize", tier="exact")
def thrice(architecture):
    return FACTOR * len(architecture.parts())

from nas_explorer.evaluators.base import EVALUATORS
from nas_explorer.searchers.run.own_classes import pickle_classes
open("classes", "wb").write(pickle_classes([EVALUATORS["thrice"]]))
"""
USES = """
from nas_explorer.searchers.run.own_classes import register_pickled
from nas_explorer.evaluators.base import EVALUATORS
from nas_explorer.search_space.components.mixers import MIXERS
from nas_explorer.search_space.components.base import TokenMixer, field_domains
from nas_explorer.search_space.components.tables import component_from_data
from nas_explorer.search_space.shapes import Shape
register_pickled(open("classes", "rb").read())
data = {"name": "cross_mean", "rows_only": True}
mixer = component_from_data(TokenMixer, data, "mixer")
print(mixer.label(), mixer.build(Shape(4, 2, 2)).rows_only, list(field_domains(type(mixer))))
print(EVALUATORS["thrice"].metrics[0].unit, EVALUATORS["thrice"].load().function.__name__)
"""


@pytest.mark.slow
def test_what_a_notebook_registers_is_known_to_workers(tmp_path: Path) -> None:
    for code in (REGISTERS, USES):
        done = subprocess.run(
            [sys.executable, "-"],
            input=code,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "cross_mean(rows_only=True) True ['rows_only']",
        "1 thrice",
    ]


def test_what_cannot_be_pickled_is_refused_in_one_line() -> None:
    meter = threading.Lock()

    @nas_explorer.metric(unit="J", direction="minimize", name="metered")
    def energy(architecture: nas_explorer.Architecture) -> float:
        return float(meter.locked())

    try:
        with pytest.raises(InputError, match=r"metered_metric is not: .*lock.*; put it into a"):
            pickle_classes([EVALUATORS["metered"]])
        assert not [each for each in registered() if each in MIXERS.values()]
        assert pickle_classes([]) == b""
    finally:
        del EVALUATORS["metered"], METRICS["metered"]
