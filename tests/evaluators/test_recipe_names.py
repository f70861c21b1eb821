"""Names of scores after short trainings with recipe options, such as ``accuracy+sam=0.1``."""

from typing import Any

import pytest
from nas_explorer.evaluators.base import Measurement, is_known, metric
from nas_explorer.evaluators.scores import check_not_ranking
from nas_explorer.search_space.errors import InputError


def test_a_score_with_recipe_options_is_no_metric_of_a_search() -> None:
    assert metric("accuracy+sam=0.1,linear_probe").score
    with pytest.raises(InputError, match=r"nas fidelity --recipe sam=0\.1 measures it"):
        check_not_ranking(["accuracy+sam=0.1"])
    for wrong in ("accuracy+", "accuracy+macs", "accuracy+sam=-1", "r2+sam,sam"):
        assert not is_known(wrong)
        with pytest.raises(InputError, match="must be followed by recipe options, but got"):
            check_not_ranking([wrong])
    with pytest.raises(InputError, match="metric must be one of"):
        metric("macs+sam")


def test_a_score_of_an_option_that_is_not_installed_is_read_from_its_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nas_explorer.evaluators.metrics._RECORDED", dict[str, Any]())
    name = "accuracy+not_installed"
    assert not is_known(name)
    record = Measurement(metric="accuracy", value=0.5).to_json()
    assert Measurement.from_json({**record, "metric": name}).value == 0.5
    assert metric(name).score and metric(name).share
