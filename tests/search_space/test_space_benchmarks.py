"""The benchmarks of search spaces run; all samples are feasible."""

import pytest
from nas_explorer.search_space.presets import presets

from ..benchmark_runs import run_benchmark


@pytest.mark.slow
def test_feasible_draws() -> None:
    (found,) = run_benchmark("feasible.py", "--quick")["spaces"].values()
    for level in found["levels"]:
        assert set(level["feasible"].values()) == {1.0}
        assert all(rate > 0 for rate in level["per_second"].values())
        assert level["share_estimated"] == pytest.approx(level["share_sampled"], rel=3)


@pytest.mark.slow
def test_digests_are_the_networks() -> None:
    found = run_benchmark("identity.py", "--quick")
    assert set(found["spaces"]) == set(presets())
    assert found["different"] > 20 and found["built_different"] > 3
    for name in (
        "descriptions_that_disagree",
        "collisions",
        "digests_of_one_network_too_many",
        "built_collisions",
        "built_networks_with_two_digests",
    ):
        assert found[name] == 0


@pytest.mark.slow
def test_what_is_not_refused_can_be_built() -> None:
    found = run_benchmark("corners.py", "--quick")
    assert found["disagreements"] == 0
    assert found["run"] > found["components"] > 100 and found["refused"] > 0
