"""A study keeps its searcher where none is chosen."""

from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.searchers.run.options import SearchOptions
from nas_explorer.searchers.run.search import continued, default_name

SETTINGS = StudySettings(
    space_name="micro",
    space_digest="a" * 64,
    space={},
    data={"name": "digits"},
    data_fingerprint="b" * 64,
    objectives=("accuracy", "macs"),
    constraints=(),
    searcher="pareto",
    seed=0,
    recipe={},
    evaluation={},
)


@pytest.mark.parametrize("named", [True, False])
def test_a_study_goes_on_with_its_own_searcher(tmp_path: Path, named: bool) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    options = SearchOptions(storage=url, study="mine" if named else None)
    new = continued(options, SETTINGS)
    assert new == (SETTINGS, "mine" if named else default_name(SETTINGS))
    earlier = replace(SETTINGS, searcher="nsga2" if named else "tpe")
    Study.create_or_open("mine" if named else default_name(earlier), url, earlier).close()
    settings, name = continued(options, SETTINGS)
    assert settings == earlier
    Study.create_or_open(name, url, settings).close()  # is the same study
    assert continued(replace(options, searcher="pareto"), SETTINGS)[0] == SETTINGS
