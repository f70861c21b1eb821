import os
from typing import Any

import pytest
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.engines import load_engine
from nas_explorer.searchers.engines.base import Job

from .engine_workers import ListSource

pytest.importorskip("ray")
PATIENCE = "RAY_worker_register_timeout_seconds"
NICENESS = "RAY_worker_niceness"
pytestmark = pytest.mark.slow  # importing Ray alone takes seconds


@pytest.mark.parametrize("address", ["garbage", "ray://host:1", "host:port", ""])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="must be 'auto' or HOST:PORT, but got"):
        load_engine("ray")(address=address)


def test_a_negative_share_of_a_gpu_is_refused() -> None:
    with pytest.raises(InputError, match="GPUs per worker must be at least 0, but got -1"):
        load_engine("ray")(gpus_per_worker=-1.0)


@pytest.mark.parametrize("failures", [0, 2, 3])
def test_ray_is_started_again_where_it_does_not_come_up(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas_explorer.searchers.engines import ray as engine

    calls: list[str] = []

    def init(**options: Any) -> None:
        assert options["address"] == "local" and options["num_cpus"] == 2
        assert os.environ[PATIENCE] == "300"
        assert os.environ[NICENESS] == "0"
        calls.append("init")
        if calls.count("init") <= failures:
            raise RuntimeError("the node timed out")

    monkeypatch.setattr(engine.ray, "init", init)
    monkeypatch.setattr(engine.ray, "shutdown", lambda: calls.append("shutdown"))
    if failures == 3:
        with pytest.raises(RuntimeError, match="timed out"):
            engine.start(num_cpus=2)
        assert calls == ["init", "shutdown"] * 3
    else:
        engine.start(num_cpus=2)
        assert calls == [*["init", "shutdown"] * failures, "init"]
    assert PATIENCE not in os.environ


def test_a_job_whose_actors_are_lost_fails_after_three_starts() -> None:
    """A search then hands it out once more, as after any death of a worker; that start is the last
    one."""
    from nas_explorer.searchers.engines import ray as engine
    from ray.exceptions import RayActorError

    source = ListSource([{}])
    feed = engine._Feed(source)
    for start in ("a", "b", "c"):
        assert source.outcomes == []
        assert feed.suggest(start) is not None
        feed.on_trial_error(start, RayActorError())
    feed._jobs["d"] = Job(number=0, architecture={})
    feed.on_trial_error("d", RayActorError())
    assert [outcome.reason for outcome in source.outcomes] == [
        f"worker_died: the candidate's Ray actor or node was lost {losses} times"
        for losses in (3, 4)
    ]
