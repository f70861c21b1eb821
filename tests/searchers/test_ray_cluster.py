"""The engine on a Ray cluster of three nodes, each with two logical GPUs."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.engines import load_engine
from nas_explorer.searchers.engines.base import Job, Outcome

from .engine_workers import ListSource

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

NODES = 3
PATIENCE = 120.0
"""Seconds that a loaded machine may take."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # of the workers on all nodes
        patch.setenv("RAY_worker_register_timeout_seconds", "300")
        patch.setenv("RAY_worker_niceness", "0")
        found = Cluster()
        for _ in range(NODES):
            found.add_node(num_cpus=2, num_gpus=1, include_dashboard=False)
        yield found
        found.shutdown()


@dataclass(frozen=True)
class Gated:
    """A factory of workers that note where they start a job, and wait until a gate is open."""

    folder: str

    def __call__(self) -> "Gated":
        return self

    spent = False

    def run(self, job: Job) -> Outcome:
        actor = Path(f"/proc/{os.getppid()}/stat").read_text()
        node = actor.rsplit(")", 1)[1].split()[1]  # the process of the node that started the actor
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        (Path(self.folder) / f"{job.number} {node} {os.getpid()}").touch()
        deadline = time.monotonic() + PATIENCE
        while not (Path(self.folder) / "gate").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return Outcome(number=job.number, status="complete", reason=f"{node} {gpu}")


def starts(folder: Path) -> list[tuple[int, str]]:
    """Return the number and the node of each start of a job."""
    names = (path.name.split() for path in folder.iterdir() if path.name != "gate")
    return [(int(number), node) for number, node, _ in names]


def raylet(node: Any) -> str:
    """Return the process id of a node, as in the starts."""
    return str(node.all_processes["raylet"][0].process.pid)


def until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_share_the_gpus_of_all_nodes(cluster: Any, tmp_path: Path) -> None:
    source = ListSource([{}] * NODES)
    watch = threading.Thread(target=lambda: until(lambda: len(starts(tmp_path)) == NODES))
    opener = threading.Thread(target=lambda: (watch.join(), (tmp_path / "gate").touch()))
    watch.start()
    opener.start()
    engine = load_engine("ray")(workers=NODES, address=cluster.address, gpus_per_worker=1 / NODES)
    engine.run(source, Gated(str(tmp_path)))
    opener.join()
    used = Counter(outcome.reason for outcome in source.outcomes)
    assert sorted(used.values()) == [1] * NODES, "one worker on the GPU of each node"
    assert all(str(each).endswith(" 0") for each in used)


def test_jobs_of_a_killed_node_run_again_elsewhere(cluster: Any, tmp_path: Path) -> None:
    killed: list[str] = []

    def kill_a_node() -> None:
        """Kill a node other than the head while it runs jobs; open the gate once they run again."""
        others = [node for node in cluster.list_all_nodes() if node != cluster.head_node]
        until(lambda: len(starts(tmp_path)) == 4)
        busy = {where for _, where in starts(tmp_path)}
        victim = next(node for node in others if raylet(node) in busy)
        killed.append(raylet(victim))
        cluster.remove_node(victim, allow_graceful=False)
        lost = sum(where == killed[0] for _, where in starts(tmp_path))
        until(lambda: len(starts(tmp_path)) == 4 + lost)
        (tmp_path / "gate").touch()

    source = ListSource([{}] * 6)
    killer = threading.Thread(target=kill_a_node)
    killer.start()
    load_engine("ray")(workers=4, address=cluster.address).run(source, Gated(str(tmp_path)))
    killer.join()
    assert sorted(outcome.number for outcome in source.outcomes) == list(range(6))
    assert {outcome.status for outcome in source.outcomes} == {"complete"}
    assert not any(str(outcome.reason).startswith(killed[0]) for outcome in source.outcomes)
    twice = Counter(number for number, _ in starts(tmp_path))
    lost = [number for number, where in starts(tmp_path) if where == killed[0]]
    assert lost and all(twice[number] == 2 for number in lost)


def test_workers_on_gpus_need_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nas_explorer.searchers.engines import ray as engine

    monkeypatch.setattr(engine.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(engine.ray, "is_initialized", lambda: True)
    with pytest.raises(InputError, match=r"Ray must have a GPU .* but has none on this machine"):
        engine.RayEngine(gpus_per_worker=1.0).run(ListSource([{}]), Gated(str(tmp_path)))
