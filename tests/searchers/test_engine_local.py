import signal
import subprocess
import sys
from pathlib import Path

import pytest
from nas_explorer.search_space.errors import InputError
from nas_explorer.searchers.engines import load_engine
from nas_explorer.searchers.engines.local import LocalEngine

from ..benchmark_runs import run_benchmark

sys.path.insert(0, str(Path(__file__).parent))
from engine_workers import ListSource, Make


def test_an_unknown_engine_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="must be one of local, ray, but got 'locl'; did you mean"):
        load_engine("locl")


def test_a_missing_ray_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "ray_host"):
        monkeypatch.delitem(sys.modules, f"nas_explorer.searchers.engines.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs the package ray\[tune\]"):
        load_engine("ray")


def test_the_local_engine_loads_neither_ray_nor_torch() -> None:
    code = (
        "import sys; from nas_explorer.searchers.engines import load_engine; load_engine('local');"
        "assert not {'ray', 'torch'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_worker_takes_the_jobs_in_order() -> None:
    source = ListSource([{}] * 5)
    LocalEngine(workers=1).run(source, Make())
    assert [outcome.number for outcome in source.outcomes] == list(range(5))
    assert len({outcome.seconds["pid"] for outcome in source.outcomes}) == 1


def test_a_job_is_asked_for_only_when_a_worker_is_free() -> None:
    under_way: list[int] = []

    def ready(index: int, taken: int) -> bool:
        under_way.append(index - taken)
        return True

    LocalEngine(workers=2).run(ListSource([{}] * 6, ready), Make())
    assert max(under_way) <= 1


def test_a_place_that_gets_no_worker_is_given_up_while_others_work(tmp_path: Path) -> None:
    source = ListSource([{"do": "sleep", "seconds": 0.2}] * 4)
    LocalEngine(workers=2).run(source, Make(deaths=4, folder=str(tmp_path)))
    assert [outcome.status for outcome in source.outcomes] == ["complete"] * 4
    assert len({outcome.seconds["pid"] for outcome in source.outcomes}) == 1


MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where started in the background
sys.path.insert(0, {folder!r})
from engine_workers import ListSource, Make
from nas_explorer.searchers.engines.local import LocalEngine

class Chatty(ListSource):
    def next_job(self):
        job = super().next_job()
        print("given", flush=True)
        return job

if __name__ == "__main__":
    try:
        LocalEngine(workers=2).run(Chatty([{{"do": "sleep"}}] * 2), Make())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_an_interrupt_ends_the_run_at_once(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(MAIN.format(folder=str(Path(__file__).parent)))
    command = [sys.executable, str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as main:
        assert main.stdout is not None
        assert [main.stdout.readline() for _ in range(2)] == ["given\n"] * 2
        main.send_signal(signal.SIGINT)
        out, err = main.communicate(timeout=300)
    assert (out, err, main.returncode) == ("interrupted\n", "", 0)


@pytest.mark.slow
def test_the_benchmark_ends_with_one_line_of_json() -> None:
    figures = run_benchmark("engines.py", "--quick")
    assert {"benchmark", "device", "torch"} <= set(figures)


@pytest.mark.slow
def test_the_efficiency_is_a_share_of_the_workers_time() -> None:
    (shares,) = run_benchmark("efficiency.py", "--quick")["efficiency"].values()
    assert 0 < shares["whole"] <= 1 and 0 < shares["steady"] <= 1
