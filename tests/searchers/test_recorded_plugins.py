"""The plug-ins that a study has recorded, when its search is continued."""

from pathlib import Path

import pytest
from nas_explorer.evaluators.base import EVALUATORS, METRICS
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.run.options import SearchOptions

PLUGIN = """
import nas_explorer

@nas_explorer.metric(unit="1", direction="maximize", tier="exact")
def depth_2(architecture):
    return len(architecture.parts())
"""


def test_a_continued_search_loads_what_its_study_has_recorded(tmp_path: Path) -> None:
    plugin = tmp_path / "depth_plugin.py"
    plugin.write_text(PLUGIN)
    url = f"sqlite:///{tmp_path}/nas.db"
    settings = StudySettings(
        space_name="micro",
        space_digest="0",
        space={},
        data={"name": "digits"},
        data_fingerprint="none",
        objectives=("macs",),
        searcher="random",
        seed=0,
        plugins=(str(plugin), "gone.py"),
    )
    Study.create_or_open("mine", url, settings).close()
    try:
        options = SearchOptions(study="mine", storage=url, objectives=("depth_2", "macs"))
        assert options.plugins == (str(plugin),)
        (note,) = options.notes
        assert note == "study 'mine': a plug-in must be there, but got 'gone.py': no such file"
        with pytest.raises(InputError, match=r"got 'my_acc'.*; study 'mine': .*'gone\.py': no su"):
            SearchOptions(study="mine", storage=url, objectives=("my_acc",))
        assert SearchOptions(study="other", storage=url).plugins == ()
        nowhere = f"sqlite:///{tmp_path}/none.db"
        assert SearchOptions(study="mine", storage=nowhere).plugins == ()
    finally:
        EVALUATORS.pop("depth_2", None)
        METRICS.pop("depth_2", None)
