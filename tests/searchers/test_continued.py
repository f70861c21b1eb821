"""A study keeps its searcher where none is chosen."""

from dataclasses import replace
from pathlib import Path

import pytest
from nas_explorer.results.settings import StudySettings
from nas_explorer.results.study.study import Study
from nas_explorer.searchers.run.continued import continued, default_name
from nas_explorer.searchers.run.options import SearchOptions

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


def test_a_study_goes_on_with_its_own_scores_or_with_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    scored = replace(SETTINGS, scores=("naswot",))
    Study.create_or_open(default_name(SETTINGS), url, scored).close()
    assert continued(SearchOptions(storage=url), SETTINGS)[0].scores == ("naswot",)
    settings, name = continued(
        SearchOptions(storage=url, scores=("zico",)), replace(SETTINGS, scores=("zico",))
    )
    assert settings.scores == ("zico",)
    Study.create_or_open(name, url, settings).close()  # is the same study
